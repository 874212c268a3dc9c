//! What a playbook's author sees, end to end on a fake node.

mod errors;
mod fan_out;
mod modules;
mod output;
mod secrets;
mod upgrade_order;
