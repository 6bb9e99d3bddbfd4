//! Announces to real trackers, and other clients at tide's own.
