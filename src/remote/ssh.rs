//! A node over OpenSSH: one login, one long-lived shell, and a second channel only for streams.

use std::fs::File;
use std::io::{Read, Seek as _, Write};
use std::sync::Arc;
use std::time::Duration;

use openssh::{Child, Session, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::quote::sh_quote;
use super::shell::{Lost, Shell};
use super::ssh_config::SshConfig;
use super::{
    Converge, Converged, Listener, Output, Query, Remote, Run, library, login, refusal, requests,
};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;

/// The exit code of `read` for a file that does not exist; no other command of that script gives it.
const NO_SUCH_FILE: i32 = 44;
/// Bytes per write of a stream: a few round trips' worth of dropbear's 24 KiB window.
const STREAM_CHUNK: usize = 64 * 1024;
/// How often the progress of a file on its way is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// A logged-in node.
pub struct SshRemote {
    // The order matters when a remote is dropped: channel, then login, and only then the pipes, whose
    // end the shell would answer with another round trip.
    /// Holds the channel of `shell` open.
    _child: Child<Arc<Session>>,
    session: Arc<Session>,
    shell: Mutex<Shell>,
    host: String,
    runtime: Handle,
    cancel: Cancel,
    /// Whether the functions that write were sent.
    writes: bool,
}

impl SshRemote {
    /// Logs in and starts the shell. Without `writes` the node never gets a function that changes it.
    pub fn connect(
        host: &Host,
        config: &SshConfig,
        runtime: &Handle,
        cancel: &Cancel,
        writes: bool,
    ) -> Result<Self> {
        let login = async {
            tokio::select! {
                session = login::log_in(host, config) => session,
                () = cancel.cancelled() => Err(Error::cancelled()),
            }
        };
        let session = Arc::new(runtime.block_on(login)?);
        let (child, shell) = runtime
            .block_on(start_shell(&session, writes))
            .map_err(|lost| lost_error(&host.name, &lost))?;
        Ok(Self {
            _child: child,
            session,
            shell: Mutex::new(shell),
            host: host.name.clone(),
            runtime: runtime.clone(),
            cancel: cancel.clone(),
            writes,
        })
    }

    fn request(&self, script: &str) -> Result<Output> {
        let request = async { self.shell.lock().await.request(script, None, None).await };
        self.runtime.block_on(request).map_err(|lost| lost_error(&self.host, &lost))
    }

    /// A request that may take long: Ctrl-C ends what runs on the node, and the shell lives on.
    fn interruptible(
        &self,
        script: &str,
        limit: Option<Duration>,
        listener: Option<&Listener>,
    ) -> Result<Output> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let request = async {
            let mut shell = self.shell.lock().await;
            let limit = limit.map(|limit| limit + Duration::from_secs(10));
            let answer = shell.request(script, limit, listener);
            tokio::pin!(answer);
            tokio::select! {
                output = &mut answer => return output.map_err(|lost| lost_error(&self.host, &lost)),
                () = self.cancel.cancelled() => {}
            }
            self.end_running_command().await;
            let _ = tokio::time::timeout(Duration::from_secs(5), answer).await;
            Err(Error::cancelled())
        };
        self.runtime.block_on(request)
    }

    /// Ends the command that the shell waits for, over a channel of its own.
    async fn end_running_command(&self) {
        // The shell's children are subshells; what they started hangs below them.
        let script = "end() { for c in $(pgrep -P $1); do end $c; kill $c; done; }
            for s in $(pgrep -P $PPID -x sh) ; do [ $s = $$ ] || end $s; done";
        let mut command = self.session.raw_command(script);
        let _ = tokio::time::timeout(Duration::from_secs(5), command.status()).await;
    }

    fn parse_converged(&self, output: Output) -> Result<Converged> {
        let broken =
            || Error::bug("a probe gave an answer that cannot be read").on_host(&self.host);
        let mut parts = output.stdout.splitn(3, |byte| *byte == 0o36);
        let (Some(head), Some(mount), Some(shown)) = (parts.next(), parts.next(), parts.next())
        else {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(if output.code == 0 { broken() } else { refusal(&text, None) }
                .with_code(output.code));
        };
        let head = String::from_utf8_lossy(head);
        let (verdict, found) = head.split_once('\n').ok_or_else(broken)?;
        let mount = String::from_utf8_lossy(mount);
        let (due, mount) = flag(&mount, "due-");
        let (marked, mount) = flag(mount, "marked-");
        let (mount, link) = mount.split_once('\n').unwrap_or((mount, ""));
        let (mode, mount) = mount.split_once(' ').unwrap_or(("rw", "/"));
        if output.code != 0 {
            let text = String::from_utf8_lossy(&output.stderr);
            let (text, mount) = without_mount(&text);
            return Err(refusal(text, mount).with_code(output.code));
        }
        Ok(Converged {
            found: found.to_owned(),
            differs: verdict == "differs",
            shown: shown.to_vec(),
            mount: mount.to_owned(),
            foreign_link: link.to_owned(),
            read_only: mode == "ro",
            marked,
            due,
        })
    }
}

impl Remote for SshRemote {
    fn query(&self, query: &Query) -> Result<Output> {
        let script = requests::user(&query.script, query.stdin.as_deref(), query.timeout);
        self.interruptible(&script, query.timeout, None)
    }

    fn look(&self, c: &Converge) -> Result<Converged> {
        let output = self.request(&requests::look(c))?;
        self.parse_converged(output)
    }

    fn converge(&self, c: &Converge) -> Result<Converged> {
        debug_assert!(self.writes);
        let script = requests::converge(c);
        let output = self.request(&script)?;
        self.parse_converged(output)
    }

    fn run(&self, run: &Run) -> Result<Option<Output>> {
        debug_assert!(self.writes);
        let script = requests::run(run);
        self.interruptible(&script, run.timeout, run.listener.as_ref()).map(Some)
    }

    fn close_scope(&self) -> Result<Output> {
        self.request("w_close; e=$?; printf '%s' \"$WDONE\"; (exit $e)")
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let path = sh_quote(path);
        let script = format!("if [ -e {path} ]; then cat {path}; else (exit {NO_SUCH_FILE}); fi");
        let output = self.request(&script)?;
        match output.code {
            0 => Ok(Some(output.stdout)),
            NO_SUCH_FILE => Ok(None),
            code => Err(refusal(&String::from_utf8_lossy(&output.stderr), None).with_code(code)),
        }
    }

    fn stream_to(&self, script: &str, input: &mut (dyn Read + Send)) -> Result<Option<Output>> {
        debug_assert!(self.writes);
        let script = library::writing() + script;
        self.runtime.block_on(self.stream_in(&script, input)).map(Some)
    }

    fn send_file(
        &self,
        script: &str,
        file: &File,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<Output>> {
        debug_assert!(self.writes);
        let script = library::writing() + script;
        self.runtime.block_on(self.hand_over(&script, file, progress)).map(Some)
    }

    fn stream_from(&self, script: &str, output: &mut (dyn Write + Send)) -> Result<Output> {
        self.runtime.block_on(self.stream_out(script, output))
    }

    fn is_dry(&self) -> bool {
        false
    }
}

impl SshRemote {
    async fn stream_in(&self, script: &str, input: &mut (dyn Read + Send)) -> Result<Output> {
        let gone = |_| lost_error(&self.host, &Lost::Closed);
        let mut command = self.session.raw_command(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await.map_err(gone)?;
        let mut stdin =
            child.stdin().take().ok_or_else(|| lost_error(&self.host, &Lost::Closed))?;
        let mut chunk = vec![0; STREAM_CHUNK];
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            let read = input
                .read(&mut chunk)
                .map_err(|e| Error::file(format!("cannot read what is to be sent: {e}")))?;
            // A command that ends early (full disk) closes the pipe: its own words come below.
            if read == 0 || stdin.write_all(&chunk[..read]).await.is_err() {
                break;
            }
        }
        drop(stdin);
        let output = child.wait_with_output().await.map_err(gone)?;
        let code = output.status.code().ok_or_else(|| lost_error(&self.host, &Lost::Closed))?;
        Ok(Output { code, stdout: output.stdout, stderr: output.stderr })
    }

    /// Lets `ssh` itself read the file: no byte of it passes through this process.
    async fn hand_over(
        &self,
        script: &str,
        mut file: &File,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Output> {
        let gone = || lost_error(&self.host, &Lost::Closed);
        let unreadable = |e| Error::file(format!("cannot read what is to be sent: {e}"));
        let mut command = self.session.raw_command(script);
        command.stdin(file.try_clone().map_err(unreadable)?);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().await.map_err(|_| gone())?;
        let output = child.wait_with_output();
        tokio::pin!(output);
        let mut tick = tokio::time::interval(PROGRESS);
        let output = loop {
            tokio::select! {
                output = &mut output => break output.map_err(|_| gone())?,
                () = self.cancel.cancelled() => return Err(Error::cancelled()),
                _ = tick.tick() => {}
            }
            // Whoever reads the same open file moves the place where it stands for us too.
            progress(file.stream_position().map_err(unreadable)?);
        };
        progress(file.stream_position().map_err(unreadable)?);
        let code = output.status.code().ok_or_else(gone)?;
        Ok(Output { code, stdout: output.stdout, stderr: output.stderr })
    }

    async fn stream_out(&self, script: &str, sink: &mut (dyn Write + Send)) -> Result<Output> {
        let gone = || lost_error(&self.host, &Lost::Closed);
        let mut command = self.session.raw_command(script);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await.map_err(|_| gone())?;
        let mut stdout = child.stdout().take().ok_or_else(gone)?;
        let mut chunk = vec![0; STREAM_CHUNK];
        loop {
            let read = tokio::select! {
                read = stdout.read(&mut chunk) => read.map_err(|_| gone())?,
                () = self.cancel.cancelled() => return Err(Error::cancelled()),
            };
            if read == 0 {
                break;
            }
            sink.write_all(&chunk[..read])
                .map_err(|e| Error::file(format!("cannot write what was received: {e}")))?;
        }
        let output = child.wait_with_output().await.map_err(|_| gone())?;
        let code = output.status.code().ok_or_else(gone)?;
        Ok(Output { code, stdout: Vec::new(), stderr: output.stderr })
    }
}

async fn start_shell(
    session: &Arc<Session>,
    writes: bool,
) -> std::result::Result<(Child<Arc<Session>>, Shell), Lost> {
    let mut command = Session::to_raw_command(Arc::clone(session), "exec sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().await.map_err(|_| Lost::Closed)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take())
    else {
        return Err(Lost::Closed);
    };
    let library = if writes { library::writing() } else { library::looking() };
    Ok((child, Shell::new(stdin, stdout, stderr, token()?, &library)))
}

/// What a failed change said, and the mount that its last line names.
fn without_mount(text: &str) -> (&str, Option<&str>) {
    let text = text.trim_end();
    let (rest, last) = text.rsplit_once('\n').unwrap_or(("", text));
    match last.strip_prefix("pirun-mount ") {
        Some(mount) => (rest, Some(mount)),
        None => (text, None),
    }
}

/// Whether `text` begins with `word`, and what comes behind it.
fn flag<'a>(text: &'a str, word: &str) -> (bool, &'a str) {
    text.strip_prefix(word).map_or((false, text), |rest| (true, rest))
}

/// 128 random bits that no command on the node can guess.
fn token() -> std::result::Result<String, Lost> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Lost::Closed)?;
    Ok(bytes.iter().fold("pirun-".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

fn lost_error(host: &str, lost: &Lost) -> Error {
    match lost {
        Lost::Closed => Error::new(
            ErrorKind::Connect,
            format!("the connection to {host} was lost"),
        )
        .hint(
            "A write that was under way left the old file or the new one. Run the playbook again.",
        ),
        Lost::Late(limit) => Error::new(
            ErrorKind::Timeout,
            format!("{host} did not answer within {} s", limit.as_secs()),
        ),
    }
    .on_host(host)
}
