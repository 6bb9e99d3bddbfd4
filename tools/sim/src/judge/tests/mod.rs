//! Every oracle fires on doctored tables, and is silent on those of real runs.

mod doctored;
mod lively;
mod real;
mod told;
mod world;
