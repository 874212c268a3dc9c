"""The job for pyinfra."""

from pyinfra import host
from pyinfra.operations import files, openrc

files.put(name="host name", src=f"files/hostname-{host.name}", dest="/etc/hostname", mode="644")
files.line(name="operator's key", path="/root/.ssh/authorized_keys", line=host.data.key)
files.directory(name="downloads", path="/data/k3s/incomplete-downloads", mode="755")
configuration = files.template(
    name="configuration",
    src="templates/k3s.conf.j2",
    dest="/etc/conf.d/k3s",
    mode="600",
    node_name=host.name,
    k3s_role=host.data.k3s_role,
    server_address=host.data.server_address,
    log_level=host.data.log_level,
)
iscsi = files.put(name="iscsi", src="files/iscsid.conf", dest="/etc/iscsi/iscsid.conf", mode="644")
files.line(name="fstab", path="/etc/fstab", line=host.data.fstab)
files.link(name="runlevel", path="/etc/runlevels/default/k3s", target="/etc/init.d/k3s")
files.directory(name="storage", path="/data/k3s/storage", mode="711")
openrc.service(name="k3s runs", service="k3s", running=True)
openrc.service(name="rpcbind runs", service="rpcbind", running=True)
openrc.service(
    name="restart k3s",
    service="k3s",
    restarted=True,
    _if=lambda: configuration.did_change() or iscsi.did_change(),
)
