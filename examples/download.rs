//! Downloads a torrent: `cargo run --example download -- FILE.torrent FOLDER`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which torrent?")?;
    let session = tide::Session::start(tide::Config::default())?;
    let torrent = session.add(tide::Add::file(file)?.dir(args.next().unwrap_or(".".into())))?;
    torrent.wait_complete(None)?;
    println!("{} is complete", torrent.name()?);
    Ok(())
}
