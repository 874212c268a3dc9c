//! Option maps that are written out: names of options, and values that are literals.

use rhai::Expr;

use super::tree::{Node, Script};
use super::{Report, Severity};
use crate::bindings::option_lists;
use crate::script::options::OptionList;

pub fn check(script: &Script, node: &Node, report: &mut Report) {
    let Some(call) = node.call() else { return };
    if call.call.is_qualified() || script.defines(call.name()) {
        return;
    }
    for (index, argument) in call.call.args.iter().enumerate() {
        let Expr::Map(map, _) = argument else { continue };
        // Two kinds of things may have a verb of the same name: either list will do.
        let lists: Vec<&OptionList> =
            option_lists().filter(|list| list.verb == call.name() && list.at == index).collect();
        let Some(first) = lists.first() else { continue };
        for (key, value) in &map.0 {
            let Some((list, option)) =
                lists.iter().find_map(|list| list.get(&key.name).ok().map(|option| (list, option)))
            else {
                if let Err(error) = first.get(&key.name) {
                    report.add_error(Severity::Error, "unknown-option", key.pos, &error);
                }
                continue;
            };
            let Some(literal) = value.get_literal_value(None) else { continue };
            if let Err(problem) = (option.check)(literal) {
                let error = list.wrong_value(&key.name, &problem);
                report.add_error(Severity::Error, "wrong-option", value.start_position(), &error);
            }
        }
    }
}
