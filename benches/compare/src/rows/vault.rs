//! A thousand secrets: opening the vault and reading them all, beside ansible-vault with the same values.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Bench, progress};
use crate::isolate::run;
use crate::measure::{self, Cost, Invocation};
use crate::obtain;
use crate::report::{Spread, Table, ratio, short};

const SECRETS: usize = 1000;
const PASSWORD: &str = "measured";

pub fn table(bench: &Bench) -> Result<Table> {
    let site = Site { bench, dir: bench.scratch("secrets")? };
    let with_ansible = bench.options.tools.iter().any(|tool| tool.is_python());
    site.write(with_ansible)?;
    let mut table = Table::new(
        format!("A vault with {SECRETS} secrets: CPU milliseconds"),
        &["what", "median", "least", "most", "beside `pirun vault view`", "runs"],
    );
    let repetitions = if bench.options.quick { 2 } else { bench.options.repetitions };
    let read_all = row(
        &mut table,
        None,
        "pirun vault view: one key derivation, all values",
        || site.pirun(&["view", "--vault-password-file", "password"], true),
        repetitions,
    )?;
    let base = Some(read_all.median);
    row(
        &mut table,
        base,
        "the same with a key file: no derivation",
        || site.pirun(&["view", "--vault-key-file", "key"], true),
        repetitions,
    )?;
    row(
        &mut table,
        base,
        "pirun vault list: names only",
        || site.pirun(&["list"], false),
        repetitions,
    )?;
    if with_ansible {
        let slow = repetitions.min(3);
        row(&mut table, base, "ansible-vault view, one file", || site.view_whole(), slow)?;
        row(
            &mut table,
            base,
            "ansible, each value inline (`!vault`)",
            || site.read_inline(),
            slow.min(2),
        )?;
    }
    Ok(table)
}

struct Site<'a> {
    bench: &'a Bench,
    dir: PathBuf,
}

impl Site<'_> {
    /// The same values for each tool.
    fn write(&self, with_ansible: bool) -> Result<()> {
        self.private("password", &format!("{PASSWORD}\n"))?;
        self.private(
            "plain.yml",
            &values().fold(String::new(), |mut text, (name, value)| {
                let _ = writeln!(text, "{name}: {value}");
                text
            }),
        )?;
        self.vault(&["create", "--no-recovery", "--vault-password-file", "password"])?;
        self.vault(&[
            "passwd",
            "add",
            "ci",
            "--key-file",
            "key",
            "--vault-password-file",
            "password",
        ])?;
        self.vault(&["edit", "--vault-key-file", "key"])?;
        if with_ansible {
            self.ansible("ansible-vault", &["encrypt", "plain.yml", "--output", "whole.yml"])?;
            self.encrypt_inline()?;
        }
        Ok(())
    }

    fn private(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, text)?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
    }

    fn vault(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new(self.bench.pirun());
        // The editor that fills the vault.
        let editor = format!("cp {}", self.dir.join("plain.yml").display());
        command.arg("vault").args(words).current_dir(&self.dir).env("EDITOR", editor);
        run(&mut command)
    }

    fn ansible(&self, program: &str, words: &[impl AsRef<std::ffi::OsStr>]) -> Result<()> {
        let mut command = Command::new(obtain::peer(program)?);
        command.args(words).args(["--vault-password-file", "password"]).current_dir(&self.dir);
        run(command.env("LANG", "C.UTF-8").env("HOME", &self.dir))
    }

    /// It writes several values to its output only.
    fn encrypt_inline(&self) -> Result<()> {
        let mut command = Command::new(obtain::peer("ansible-vault")?);
        command.args(["encrypt_string", "--vault-password-file", "password"]);
        for (name, _) in values() {
            command.args(["--name", &name]);
        }
        // argparse wants all values in one place.
        let status = command
            .args(values().map(|(_, value)| value))
            .current_dir(&self.dir)
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.dir)
            .stdout(fs::File::create(self.dir.join("inline.yml"))?)
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "ansible-vault encrypt_string: {status}");
        Ok(())
    }

    fn pirun(&self, words: &[&str], values: bool) -> Result<Cost> {
        let program = self.bench.pirun().to_string_lossy().into_owned();
        let words = [program, "vault".into()].into_iter().chain(words.iter().map(|w| (*w).into()));
        self.measured(words.collect(), if values { "secret 999" } else { "secret_999" })
    }

    fn view_whole(&self) -> Result<Cost> {
        let program = obtain::peer("ansible-vault")?.to_string_lossy().into_owned();
        let words = ["view", "whole.yml", "--vault-password-file", "password"].map(String::from);
        self.measured([program].into_iter().chain(words).collect(), "secret 999")
    }

    /// ansible-vault has no command for values inside a file: this is what a play does that uses each of them once.
    fn read_inline(&self) -> Result<Cost> {
        let program = obtain::peer("ansible")?.to_string_lossy().into_owned();
        let all = values().map(|(name, _)| name).collect::<Vec<_>>().join(" ~ ");
        let message = format!("msg={{{{ {all} }}}}");
        let words =
            ["localhost", "-c", "local", "-e", "@inline.yml", "-m", "debug", "-a", &message];
        let password = ["--vault-password-file", "password"];
        let words = words.into_iter().chain(password).map(String::from);
        self.measured([program].into_iter().chain(words).collect(), "secret 999")
    }

    /// Runs it, and looks for the last of the values in what it printed.
    fn measured(&self, words: Vec<String>, shows: &str) -> Result<Cost> {
        let log = self.dir.join("log");
        let cost = measure::alone(&Invocation { words, env: Vec::new() }, &self.dir, &log)?;
        let printed = fs::read_to_string(log)?;
        ensure!(printed.contains(shows), "it did not read the secrets: {shows} is missing");
        Ok(cost)
    }
}

fn values() -> impl Iterator<Item = (String, String)> {
    (0..SECRETS).map(|number| {
        (format!("secret_{number}"), format!("the value of secret {number} of the cluster"))
    })
}

fn row(
    table: &mut Table,
    base: Option<f64>,
    what: &str,
    once: impl Fn() -> Result<Cost>,
    count: usize,
) -> Result<Spread> {
    let times: Vec<Duration> =
        (0..count).map(|_| once().map(|cost| cost.controller_cpu)).collect::<Result<_>>()?;
    let spread = Spread::of_times(times).unwrap_or(Spread { median: 0.0, least: 0.0, most: 0.0 });
    let figure = |seconds: f64| short(seconds * 1e3);
    progress(&format!("{what}: {} ms", figure(spread.median)));
    table.rows.push(vec![
        what.into(),
        figure(spread.median),
        figure(spread.least),
        figure(spread.most),
        base.map_or(String::new(), |base| ratio(spread.median, base)),
        count.to_string(),
    ]);
    Ok(spread)
}
