//! Torrents for v1 and v2 swarms at once (BEP 52).

use crate::build::Build;
use sha2::{Digest, Sha256};
use tide_metainfo::Error;

fn root() -> String {
    format!("11:pieces root32:{}", "r".repeat(32))
}

/// `temp`, a single file of 5 bytes.
fn single() -> Build {
    let tree = format!("d4:tempd0:d6:lengthi5e{}eee", root());
    Build::single().info("meta version", "i2e").info("file tree", tree)
}

const PAD: &str = "d4:attr1:p6:lengthi16379e4:pathl4:.pad5:16379ee";

/// `temp` with `a`, 5 bytes, padding, the empty `d/e`, and `z`, 7 bytes.
fn folder() -> Build {
    let root = root();
    let tree = format!("d1:ad0:d6:lengthi5e{root}ee1:dd1:ed0:d6:lengthi0eeee1:zd0:d6:lengthi7e{root}eee");
    let files = ["d6:lengthi5e4:pathl1:aee", PAD, "d6:lengthi0e4:pathl1:d1:eee", "d6:lengthi7e4:pathl1:zee"];
    Build::folder(&files).hashes(2).info("meta version", "i2e").info("file tree", tree)
}

#[test]
fn a_hybrid_has_both_hashes() {
    for build in [single(), folder()] {
        let info = build.ok().info;
        let expected: [u8; 32] = Sha256::digest(build.info_bytes()).into();
        assert_eq!(info.info_hashes().v2.map(|hash| hash.0), Some(expected));
        assert_eq!(info.info_hashes().v1, Some(info.info_hash()));
    }
    assert_eq!(folder().ok().info.total(), 5 + 16379 + 7);
}

#[test]
fn both_halves_must_describe_the_same_files() {
    let refused = |build: Build| {
        let text = build.bytes().escape_ascii().to_string();
        assert_eq!(build.parse(), Err(Error::HybridMismatch), "{text}");
    };
    refused(single().without("file tree"));
    refused(single().info("length", "i6e"));
    refused(single().info("file tree", "de"));
    refused(single().info("file tree", "i1e"));
    refused(single().info("file tree", "d4:temp1:xe"));
    refused(single().info("file tree", "d4:tempd0:d6:lengthi5eeee"));
    refused(
        single().info("file tree", format!("d4:tempd0:d6:lengthi5e11:pieces root32:{}eee", "\0".repeat(32))),
    );
    refused(single().info("file tree", format!("d0:d6:lengthi5e{}ee", root())));
    refused(single().info("file tree", format!("d4:tempd0:d6:lengthi5e{}e1:adeee", root())));
    refused(single().info("name", "4:tems"));
    let files = |files: &[&str]| folder().info("files", format!("l{}e", files.concat()));
    let (a, e, z) = ("d6:lengthi5e4:pathl1:aee", "d6:lengthi0e4:pathl1:d1:eee", "d6:lengthi7e4:pathl1:zee");
    refused(files(&[a, PAD, z, e]));
    refused(files(&[a, PAD, e]).hashes(1));
    refused(files(&[a, e, z]).hashes(1));
    refused(files(&[a, PAD, e, z, z]));
}

#[test]
fn a_hybrid_must_be_canonical_and_aligned() {
    let odd = single().info("private", "i01e").parse();
    assert!(matches!(odd, Err(Error::NotCanonical(tide_bencode::Oddity::LeadingZero))));
    assert_eq!(single().info("piece length", "i16383e").parse(), Err(Error::PieceLengthV2(16383)));
    assert_eq!(single().info("piece length", "i8192e").parse(), Err(Error::PieceLengthV2(8192)));
}
