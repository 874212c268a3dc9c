mod lock;
mod mirror;
