//! How a native calls a closure of the playbook. Every native that takes one goes through here.
//!
//! Rhai looks names up in the module that *calls* a closure first, so a closure handed through a
//! library would call the library's functions. Here it runs in the module that it was written in.

#[allow(
    deprecated,
    reason = "Rhai marks what may change between versions; the version is pinned"
)]
use rhai::NativeCallContextStore;
use rhai::{
    Dynamic, Engine, FnPtr, FuncArgs, GlobalRuntimeState, Module, NativeCallContext, Shared,
};

use super::convert::ScriptResult;

/// Calls `function` now, on this thread. What it captured stays shared with the caller.
pub fn call(
    ctx: &NativeCallContext,
    function: &FnPtr,
    args: impl FuncArgs,
) -> ScriptResult<Dynamic> {
    let args = arguments(args);
    let global = at_home(ctx.global_runtime_state(), function, args.len());
    call_in(ctx, &global, function, args)
}

/// `function` with copies of what it captured, so that threads do not share variables.
///
/// Shared variables are behind a lock that gives up after 50 ms: sharing one between hosts would be an
/// error that depends on load.
pub fn frozen(function: &FnPtr) -> FnPtr {
    let mut function = function.clone();
    for captured in function.iter_curry_mut() {
        *captured = captured.flatten_clone();
    }
    function
}

/// A closure for later or for another thread: frozen, with the place where it was handed over.
pub struct Callback {
    function: FnPtr,
    #[allow(
        deprecated,
        reason = "Rhai marks what may change between versions; the version is pinned"
    )]
    place: NativeCallContextStore,
}

#[allow(deprecated, reason = "Rhai marks what may change between versions; the version is pinned")]
impl Callback {
    pub fn new(ctx: &NativeCallContext, function: &FnPtr, arity: usize) -> Self {
        let function = frozen(function);
        let mut place = ctx.store_data();
        place.global = at_home(&place.global, &function, arity);
        Self { function, place }
    }

    /// Calls it. Each caller gets its own copies of the captured values.
    pub fn call(&self, engine: &Engine, args: impl FuncArgs) -> ScriptResult<Dynamic> {
        let ctx = self.place.create_context(engine);
        call_in(&ctx, &self.place.global, &frozen(&self.function), arguments(args))
    }
}

fn call_in(
    ctx: &NativeCallContext,
    global: &GlobalRuntimeState,
    function: &FnPtr,
    args: Vec<Dynamic>,
) -> ScriptResult<Dynamic> {
    let home = (ctx.engine(), ctx.fn_name(), ctx.fn_source(), global, ctx.call_position());
    function.call_raw(&NativeCallContext::from(home), None, args)
}

fn arguments(args: impl FuncArgs) -> Vec<Dynamic> {
    let mut list = Vec::new();
    args.parse(&mut list);
    list
}

/// The state of the caller, cut down to the module that `function` was written in.
fn at_home(global: &GlobalRuntimeState, function: &FnPtr, arity: usize) -> GlobalRuntimeState {
    let mut global = global.clone();
    let arity = function.curry().len() + arity;
    // A closure's name holds a hash of its body and place, so it is found in one module only. A function
    // given by its name is meant to be the caller's own: the innermost.
    let home: Option<Shared<Module>> = global
        .lib
        .iter()
        .rev()
        .find(|m| m.get_script_fn(function.fn_name(), arity).is_some())
        .cloned();
    if let Some(home) = home {
        if let Some(source) = home.id() {
            global.source = Some(source.into());
        }
        global.lib.clear();
        global.lib.push(home);
    }
    global
}
