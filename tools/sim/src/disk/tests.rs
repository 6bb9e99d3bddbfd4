//! What a medium and its keeper promise.
