# The commands of the README. Everything they need comes from the package registries; what the lab builds is
# cached outside of the tree.

CARGO ?= cargo
export PIRUN_LAB_INSTALL ?= $(if $(CI),1,)

.PHONY: demo test bench lint doc

# Three lab nodes: a dry run, a run, a second run that changes nothing, a changed label.
demo:
	scripts/demo

# Everything that must hold. Unit tests first: they fail fastest.
test: lint
	scripts/setup
	$(CARGO) test --workspace --all-targets

# Formats, warnings, licences.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --workspace check licenses bans sources; \
	else echo "licences not checked: cargo install --locked cargo-deny"; fi

# Figures, side by side with the peers. Never asserted on: seconds depend on the machine.
bench:
	scripts/setup
	scripts/bench
