//! One HTTP request to the gateway, over a stream that the owner carries.

use super::task::Ctx;
use super::{Output, StreamId};
use crate::http::{Message, Reader, Side};
use crate::types::Failure;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::Instant;

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) stream: StreamId,
    pub(super) deadline: Instant,
    request: Option<Vec<u8>>,
    reader: Reader,
}

impl Exchange {
    pub(super) fn open(ctx: &mut Ctx<'_>, from: IpAddr, to: SocketAddr, request: Vec<u8>) -> Exchange {
        let stream = ctx.new_stream();
        ctx.out.push_back(Output::Connect { stream, from, to });
        Exchange {
            stream,
            deadline: ctx.now + ctx.limits.http,
            request: Some(request),
            reader: Reader::new(Side::Server),
        }
    }

    pub(super) fn connected(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(bytes) = self.request.take() {
            ctx.out.push_back(Output::Write { stream: self.stream, bytes });
        }
    }

    /// The answer, once it is whole or broken.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<Result<Message, Failure>> {
        self.reader.push(bytes).map_err(|fault| Failure::Malformed(fault.0)).transpose()
    }

    /// The stream has ended: the answer, if it is whole by that.
    pub(super) fn ended(&mut self) -> Result<Message, Failure> {
        self.reader.end().map_err(|_| Failure::Unreachable)
    }

    pub(super) fn close(self, ctx: &mut Ctx<'_>) {
        ctx.out.push_back(Output::Close { stream: self.stream });
    }
}
