//! URLs of trackers, and where a redirect leads.

use tide_tracker::TrackerUrl;
use tide_tracker::limits::URL_MAX;

pub(super) fn run(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let base = TrackerUrl::parse("http://a.example/x/announce?k=1").expect("a URL");
    for url in [TrackerUrl::parse(&text), base.join(&text)].into_iter().flatten() {
        assert!(url.port() != 0 && url.target().len() <= 3 * URL_MAX, "{url:?}");
        assert!(
            url.target().bytes().all(|byte| byte.is_ascii_graphic()),
            "a target that ends a line: {url:?}"
        );
        let shown = url.to_string();
        assert!(!shown.contains(|c: char| c.is_control() || c.is_whitespace()), "{shown:?}");
        // Whoever reads what is shown finds the same place; passwords are not shown.
        if url.credentials().is_none() && shown.len() <= URL_MAX {
            assert_eq!(TrackerUrl::parse(&shown).as_ref(), Ok(&url));
        }
        if let Some(scrape) = url.scrape() {
            assert_eq!((scrape.host(), scrape.port()), (url.host(), url.port()));
        }
    }
}
