//! KRPC messages: any datagram.

use crate::Target;
use tide_base::addr;
use tide_dht::krpc::{Body, Reply, is_likely, read};
use tide_dht::limits::{DATAGRAM_IN_MAX, NODES_IN_MAX, SAMPLES_IN_MAX, TRANSACTION_MAX, VALUES_MAX};

pub(crate) const TARGET: Target = Target {
    name: "krpc",
    run,
    input_max: 2 * DATAGRAM_IN_MAX,
    // 500 tokens, and lists of nodes, peers and samples.
    memory: 48 << 10,
    memory_per_byte: 8,
};

fn run(data: &[u8]) {
    let message = match read(data) {
        Ok(message) => message,
        Err(malformed) => {
            assert!(malformed.question.is_none_or(|transaction| transaction.len() <= TRANSACTION_MAX));
            return;
        }
    };
    assert!(data.first() == Some(&b'd'), "a message is a dictionary");
    assert!(!is_likely(data) || data.len() <= DATAGRAM_IN_MAX);
    assert!(message.transaction.len() <= TRANSACTION_MAX);
    if let Body::Reply(reply) = &message.body {
        check(reply);
    }
    let written = message.write(b"TD\0\x01");
    let again = read(&written).expect("what we write can be read");
    assert_eq!(again, message, "{}", written.escape_ascii());
    assert_eq!(again.write(b"TD\0\x01"), written, "one message has one form");
}

/// An answer holds no more than it may.
fn check(reply: &Reply<'_>) {
    let nodes = [&reply.nodes, &reply.nodes6];
    assert!(nodes.into_iter().flatten().all(|nodes| nodes.len() <= NODES_IN_MAX));
    assert!(reply.values.len() <= VALUES_MAX);
    assert!(reply.values.iter().all(|peer| addr::canonical(*peer) == *peer));
    assert!(reply.samples.as_ref().is_none_or(|samples| samples.hashes.len() <= SAMPLES_IN_MAX));
}
