//! Every oracle fires on doctored tables, and is silent on those of real runs.
