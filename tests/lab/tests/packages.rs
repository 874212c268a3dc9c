//! `apk` in a node, with the lab's own repository.

use pirun_lab::{Lab, Result};

#[test]
fn apk_installs_what_the_labs_repository_has() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    assert!(node.sh("apk add lab-hello").is_err());
    node.sh("mount -o remount,rw / && apk add lab-hello")?;
    assert_eq!(node.sh("lab-hello")?, "hello\n");
    node.sh(
        "apk add --repository /opt/lab-packages/next 'lab-greeting>=2' && mount -o remount,ro /",
    )?;
    assert_eq!(node.sh("lab-hello")?, "hello again\n");
    Ok(())
}

#[test]
fn apk_refuses_a_package_that_was_changed() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    node.sh("mount -o remount,rw / && cp -r /opt/lab-packages/main /data/packages")?;
    node.sh("printf x | dd of=$(ls /data/packages/*/lab-hello-*.apk) bs=1 seek=600 conv=notrunc 2>/dev/null")?;
    assert!(
        node.sh("apk add --repositories-file /dev/null --repository /data/packages lab-hello")
            .is_err()
    );
    assert!(node.sh("lab-hello").is_err());
    Ok(())
}

#[test]
fn a_service_from_a_package_starts() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    node.sh("mount -o remount,rw / && apk add lab-daemon && mount -o remount,ro /")?;
    node.sh("rc-service lab-daemon start && rc-service lab-daemon status")?;
    Ok(())
}
