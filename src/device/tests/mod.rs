mod guard;
mod write;
