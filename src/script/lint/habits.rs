//! What is easy to write and means something else.

use rhai::{ASTNode, Expr, Position, Stmt};

use super::Report;
use super::tree::{Call, Node, Script, tail};

/// Methods of strings and arrays that change them in place and return nothing.
const IN_PLACE: &[&str] = &[
    "trim",
    "replace",
    "make_upper",
    "make_lower",
    "crop",
    "truncate",
    "pad",
    "reverse",
    "sort",
    "clear",
    "push",
    "append",
    "insert",
    "dedup",
];

/// Commands that change a node, with the words that make them do so.
const WRITERS: &[&str] = &[
    "rm ",
    "mv ",
    "cp ",
    "ln ",
    "mkdir ",
    "rmdir ",
    "touch ",
    "chmod ",
    "chown ",
    "dd ",
    "tee ",
    "sed -i",
    "mount ",
    "umount ",
    "reboot",
    "poweroff",
    "halt",
    "kill ",
    "pkill ",
    "killall ",
    "apk add",
    "apk del",
    "apk upgrade",
    "rc-service ",
    "rc-update ",
    "service ",
    "adduser ",
    "deluser ",
    "passwd ",
    "mkfs",
    "sync",
    "kubectl apply",
    "kubectl delete",
    "kubectl drain",
    "kubectl cordon",
    "kubectl patch",
    "kubectl create",
];

/// Endings of such commands that only look.
const LOOKING: &[&str] = &[" status", "rc-update show", "rc-update -v", "--dry-run"];

pub fn check(script: &Script, node: &Node, report: &mut Report) {
    if let Some((operator, position)) = node.operator() {
        stdout_number(operator, position, report);
        precedence(operator, position, report);
        division(operator, position, report);
    }
    let Some(call) = node.call() else { return };
    if call.call.is_qualified() || script.defines(call.name()) {
        return;
    }
    in_place_value(node, &call, report);
    query_writes(&call, report);
    restarts_always(node, &call, report);
}

fn is_comparison(name: &str) -> bool {
    matches!(name, "==" | "!=" | "<" | "<=" | ">" | ">=")
}

/// `output.stdout == 3`: a text never equals a number, and Rhai does not complain.
fn stdout_number(operator: &rhai::FnCallExpr, position: Position, report: &mut Report) {
    let is_text = |expr: &Expr| matches!(tail(expr), Expr::Property(property, _) if matches!(property.2.as_str(), "stdout" | "stderr"));
    let is_number =
        |expr: &Expr| matches!(expr, Expr::IntegerConstant(..) | Expr::FloatConstant(..));
    let [left, right] = operator.args.as_slice() else { return };
    if is_comparison(&operator.name)
        && (is_text(left) && is_number(right) || is_number(left) && is_text(right))
    {
        report
            .warning(
                "text-and-number",
                position,
                "what a command printed is text, and a text never equals a number",
            )
            .hint("Write `.stdout.parse_int()`, or compare with a text: `== \"3\"`.");
    }
}

/// `x & mask != 0` is `x & (mask != 0)`.
fn precedence(operator: &rhai::FnCallExpr, position: Position, report: &mut Report) {
    if !matches!(operator.name.as_str(), "&" | "|" | "^") {
        return;
    }
    let compares = |expr: &Expr| matches!(expr, Expr::FnCall(call, _) if call.is_operator_call() && is_comparison(&call.name));
    if operator.args.iter().any(compares) {
        report
            .warning(
                "bit-precedence",
                position,
                format!("the comparison comes before `{}`", operator.name),
            )
            .hint("Put parentheses around the bits: `(x & mask) != 0`.");
    }
}

/// `5 / 2` is 2; `text.parse_int() / 1000` drops what is behind the point.
fn division(operator: &rhai::FnCallExpr, position: Position, report: &mut Report) {
    let [left, Expr::IntegerConstant(right, _)] = operator.args.as_slice() else { return };
    if operator.name != "/" || *right <= 1 {
        return;
    }
    let drops = match tail(left) {
        Expr::IntegerConstant(left, _) => left % right != 0,
        Expr::MethodCall(call, _) | Expr::FnCall(call, _) => call.name == "parse_int",
        _ => false,
    };
    if drops {
        report
            .warning("integer-division", position, "dividing whole numbers drops the fraction")
            .hint(format!("Write `/ {right}.0` if the fraction counts."));
    }
}

/// `let name = text.trim();` is `()`.
fn in_place_value(node: &Node, call: &Call, report: &mut Report) {
    if !call.is_method || !IN_PLACE.contains(&call.name()) || !value_is_used(node) {
        return;
    }
    let finding = report.warning(
        "in-place-value",
        call.position,
        format!("`{}` changes its receiver and returns nothing", call.name()),
    );
    match call.name() {
        "trim" => finding.hint(
            "On a variable of its own: `text.trim();`. What commands print is trimmed already.",
        ),
        name => finding
            .hint(format!("On a variable of its own: `copy.{name}(…);`, then use the variable.")),
    };
}

/// Whether the value of a chain that ends with this node goes anywhere.
fn value_is_used(node: &Node) -> bool {
    let Some(ASTNode::Expr(this)) = node.path.last() else { return false };
    let mut below: &Expr = this;
    for above in node.path.iter().rev().skip(1) {
        match above {
            ASTNode::Expr(Expr::Dot(pair, ..)) if std::ptr::eq(&raw const pair.rhs, below) => {
                below = expr(above)
            }
            // In the middle of a chain: the next link gets it.
            ASTNode::Expr(Expr::Dot(pair, ..)) if matches!(&pair.lhs, lhs if std::ptr::eq(&raw const *lhs, below)) =>
            {
                return true;
            }
            ASTNode::Expr(Expr::Stmt(_)) => return true,
            ASTNode::Stmt(Stmt::Expr(_)) => {
                // A text's `${…}` is a block of one expression.
                let index = node.path.len().saturating_sub(1);
                return node.path[..index]
                    .iter()
                    .any(|node| matches!(node, ASTNode::Expr(Expr::InterpolatedString(..))));
            }
            ASTNode::Stmt(_) | ASTNode::Expr(_) => return true,
            _ => return false,
        }
    }
    false
}

fn expr<'a>(node: &ASTNode<'a>) -> &'a Expr {
    const NOTHING: &Expr = &Expr::Unit(Position::NONE);
    match node {
        ASTNode::Expr(expr) => expr,
        _ => NOTHING,
    }
}

/// `host.query("rm …")` runs in a dry run too.
fn query_writes(call: &Call, report: &mut Report) {
    if call.name() != "query" || !call.is_method {
        return;
    }
    let (script, position) = match call.call.args.first() {
        Some(Expr::StringConstant(text, position)) => (text.to_string(), *position),
        Some(Expr::Array(words, position)) => {
            let words =
                words.iter().map(|word| super::tree::text(word).map_or("?", |(text, _)| text));
            (words.collect::<Vec<_>>().join(" "), *position)
        }
        _ => return,
    };
    let commands = script.split(['\n', ';', '|', '&', '(']).map(str::trim);
    let writes = |command: &str| {
        let command = format!("{command} ");
        WRITERS.iter().any(|word| command.starts_with(word))
            && !LOOKING.iter().any(|end| command.contains(end))
    };
    if commands.into_iter().any(writes) || redirects(&script) {
        report
            .warning(
                "query-writes",
                position,
                "this looks as if it changed the node, and `query` runs in a dry run too",
            )
            .hint("Use `host.run(…)` for what changes something.");
    }
}

/// Whether a script writes to a file: `> file`, but not `2>/dev/null`, `>&2`, `> /tmp/…`.
fn redirects(script: &str) -> bool {
    let quoted = script.split('\'').step_by(2).collect::<String>();
    quoted.match_indices('>').any(|(index, _)| {
        let target = quoted[index + 1..].trim_start_matches('>').trim_start();
        !target.is_empty()
            && !target.starts_with('&')
            && !target.starts_with("/dev/")
            && !target.starts_with('=')
            && (target.starts_with('/')
                || target.starts_with('$')
                || target.starts_with(|c: char| c.is_ascii_alphabetic()))
    })
}

/// `host.service("k3s", "restarted")` as a statement of its own restarts at every run.
fn restarts_always(node: &Node, call: &Call, report: &mut Report) {
    if call.name() != "service" || !call.is_method {
        return;
    }
    let Some((state, _)) = call.text(1) else { return };
    if !matches!(state, "restarted" | "reloaded") {
        return;
    }
    let conditional = node.path.iter().any(|node| {
        matches!(
            node,
            ASTNode::Stmt(Stmt::If(..) | Stmt::Switch(..) | Stmt::TryCatch(..))
                | ASTNode::Expr(Expr::And(..) | Expr::Or(..))
        )
    });
    // Only the closure of `on` itself: in a handler or a function, somebody decided that it is time.
    let in_handler = node.function.is_none_or(|function| !function.name.starts_with("anon$"));
    if conditional || in_handler || !is_body_of_on(node) {
        return;
    }
    report
        .warning("restarts-always", call.position, format!("the service is {state} at every run, changed or not"))
        .hint("Hand it to the change that needs it: `host.at_end(\"restart\", change, |host| host.service(…))`.");
}

/// Whether the node's closure does other work before: a handler is one statement.
fn is_body_of_on(node: &Node) -> bool {
    node.function.is_some_and(|function| function.statements > 1)
}
