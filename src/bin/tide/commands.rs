//! The table of commands.

use crate::args::flags::{DIR, ENGINE, NETWORK};
use crate::args::{Command, Flag, Operands, Takes};
use crate::{completions, create, demo, get, magnet, seed, show, tracker, verify};

/// Every command.
pub(crate) const COMMANDS: &[Command] =
    &[GET, SEED, CREATE, SHOW, VERIFY, MAGNET, TRACKER, DEMO, COMPLETIONS];

const GET: Command = Command {
    name: "get",
    about: "download torrents, and exit when they are complete",
    more: "SOURCE is a .torrent file, the http(s) URL of one, - for one on standard input, a magnet link, or an info-hash.\n\
           What a link names is known when a peer has told it; until then files can be neither listed nor chosen.\n\
           Whatever is already in the folder is found, checked and kept: to resume, give the same command again.",
    operands: Operands::some("SOURCE"),
    flags: &[get::FLAGS, NETWORK, ENGINE],
    examples: &[
        "tide get debian.torrent -d ~/Downloads",
        "tide get 'magnet:?xt=urn:btih:…' -d ~/Downloads",
        "tide get photos.torrent --list",
        "tide get photos.torrent -s 1-3,7 --down 2M --seed-ratio 1",
    ],
    run: get::run,
};

const SEED: Command = Command {
    name: "seed",
    about: "check content, then serve it until stopped",
    more: "TORRENT is a .torrent file, its http(s) URL, or - for one on standard input; its content is in --dir.\n\
           Any other file or folder is made into a torrent in memory: its magnet link is printed, and it is served.",
    operands: Operands::one("TORRENT|PATH"),
    flags: &[seed::FLAGS, DIR, NETWORK, ENGINE],
    examples: &[
        "tide seed debian.torrent -d ~/Downloads",
        "tide seed ./photos --tracker udp://tracker.example:6969",
    ],
    run: seed::run,
};

const CREATE: Command = Command {
    name: "create",
    about: "make a .torrent of a file or a folder",
    more: "For the same piece length the info-hash is the one that mktorrent makes.",
    operands: Operands::one("PATH"),
    flags: &[create::FLAGS],
    examples: &["tide create ./photos -t http://tracker.example/announce -o photos.torrent"],
    run: create::run,
};

const SHOW: Command = Command {
    name: "show",
    about: "show what a .torrent or a magnet link says",
    more: "A table on a terminal, tab-separated lines with sizes in bytes elsewhere.\n\
           Without flags everything is shown; with some, only what they name.",
    operands: Operands::one("TORRENT|MAGNET"),
    flags: &[show::FLAGS],
    examples: &["tide show debian.torrent", "tide show debian.torrent --info-hash"],
    run: show::run,
};

const VERIFY: Command = Command {
    name: "verify",
    about: "hash all content of a torrent",
    more: "A line for each file, OK or BAD; exits with 0 if everything matches, else with 4.",
    operands: Operands::one("TORRENT"),
    flags: &[DIR],
    examples: &["tide verify debian.torrent -d ~/Downloads"],
    run: verify::run,
};

const MAGNET: Command = Command {
    name: "magnet",
    about: "print the magnet links of .torrent files, or fetch the .torrent files of links",
    more: "One link a line, in the order of the arguments.\n\
           With --fetch they are magnet links or info-hashes: peers are asked for their .torrent files, and nothing else.",
    operands: Operands::some("TORRENT|MAGNET"),
    flags: &[magnet::FLAGS, NETWORK, ENGINE],
    examples: &[
        "tide magnet debian.torrent",
        "tide magnet --fetch 'magnet:?xt=urn:btih:…' -o debian.torrent",
    ],
    run: magnet::run,
};

const TRACKER: Command = Command {
    name: "tracker",
    about: "run a small tracker, in memory",
    more: "Announce and scrape over HTTP and UDP, for a LAN and for tests.\n\
           Without flags it listens on all addresses at port 6969, HTTP and UDP.",
    operands: Operands::NONE,
    flags: &[&[
        Flag::with("listen", Takes::ADDR, "an address for HTTP; port 0 is any").repeat(),
        Flag::with("udp", Takes::ADDR, "an address for UDP; port 0 is any").repeat(),
    ]],
    examples: &["tide tracker --listen 127.0.0.1:6969 --udp 127.0.0.1:6969"],
    run: tracker::run,
};

const DEMO: Command = Command {
    name: "demo",
    about: "a swarm of three in one process, without any network",
    more: "Makes a payload, a tracker, a seed and two downloaders on loopback, shows the download, checks every byte\n\
           and says what it did. Takes less than ten seconds and leaves nothing behind.",
    operands: Operands::NONE,
    flags: &[],
    examples: &["tide demo"],
    run: demo::run,
};

const COMPLETIONS: Command = Command {
    name: "completions",
    about: "print completions for a shell",
    more: "Where the shell looks for them: ~/.local/share/bash-completion/completions/tide, a folder of zsh's $fpath\n\
           as _tide, ~/.config/fish/completions/tide.fish.",
    operands: Operands { name: "SHELL", least: 1, most: 1, words: completions::SHELLS },
    flags: &[],
    examples: &["tide completions bash > ~/.local/share/bash-completion/completions/tide"],
    run: completions::run,
};
