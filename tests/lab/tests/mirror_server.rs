//! The server of a mirror, and its faults.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use pirun_lab::{Fault, MirrorServer, Result};

fn server(dir: &std::path::Path) -> Result<MirrorServer> {
    fs::write(dir.join("file"), "0123456789")?;
    MirrorServer::start(dir)
}

/// What comes back for one request, until the connection ends.
fn get(server: &MirrorServer, path: &str, headers: &str) -> Result<String> {
    let mut connection = TcpStream::connect(server.url().trim_start_matches("http://"))?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")?;
    connection.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn serves_files_and_parts_of_them_and_counts() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = server(dir.path())?;
    assert!(get(&server, "/file", "")?.ends_with("Content-Length: 10\r\n\r\n0123456789"));
    let part = get(&server, "/file", "Range: bytes=7-\r\n")?;
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n789"), "{part}");
    assert!(part.contains("Content-Range: bytes 7-9/10"), "{part}");
    assert!(get(&server, "/file", "range: bytes=10-\r\n")?.starts_with("HTTP/1.1 416"));
    assert!(get(&server, "/../etc/passwd", "")?.starts_with("HTTP/1.1 404"));
    assert_eq!((server.requests(), server.bytes(), server.bytes_of("file")), (4, 13, 13));
    Ok(())
}

#[test]
fn fails_on_demand() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = server(dir.path())?;
    server.fail_times("file", Fault::Truncate(4), 1);
    assert!(get(&server, "/file", "")?.ends_with("Content-Length: 10\r\n\r\n0123"));
    assert!(get(&server, "/file", "")?.ends_with("0123456789"));
    server.fail("file", Fault::Status(503));
    assert!(get(&server, "/file", "")?.starts_with("HTTP/1.1 503"));
    server.mend();
    server.fail("file", Fault::Replace(b"other".to_vec()));
    assert!(get(&server, "/file", "")?.ends_with("other"));
    server.mend();
    server.fail("file", Fault::Alter(2));
    let changed =
        TcpStream::connect(server.url().trim_start_matches("http://")).and_then(|mut to| {
            to.write_all(b"GET /file HTTP/1.1\r\n\r\n")?;
            to.shutdown(std::net::Shutdown::Write)?;
            let mut answer = Vec::new();
            to.read_to_end(&mut answer).map(|_| answer)
        })?;
    assert!(changed.ends_with(b"\xcd3456789"));
    Ok(())
}
