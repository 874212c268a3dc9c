#!/bin/sh
# Starts the processes that /run/openrc says are running, as their services would.
/sbin/syslogd -t
. /etc/conf.d/dropbear
exec /usr/sbin/dropbear $DROPBEAR_OPTS -P /run/dropbear.pid
