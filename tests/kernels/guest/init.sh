#!/bin/busybox sh
# The guest's first process: runs the scenarios, one after another, and sends what each wrote as an archive to the second serial port.
# Lines that begin with @@ are for the host.
export PATH=/opt:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2> /dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/perfleet-test
chmod 755 /
dmesg -n 1
stty -F /dev/ttyS1 raw -echo
echo "@@ kernel $(uname -r)"
echo "@@ cgroup $(stat -c %i /sys/fs/cgroup/perfleet-test)"

# A pipe that never ends: the end of its input would end the sampler.
mkfifo /tmp/input
exec 3<> /tmp/input

# Writes the stream of a sampler's run to NAME.bin. Usage: sample NAME ARGUMENTS…
sample() {
  stream=/out/$1.bin
  shift
  perfleet-sampler "$@" <&3 > "$stream"
}

# Waits until a sampler that runs in the background has said hello, or has ended. Usage: begun NAME PID
begun() {
  until [ -s "/out/$1.bin" ] || ! kill -0 "$2" 2> /dev/null; do sleep 0.1; done
}

# Programs that are sampled: in the cgroup of the test, and gone after each scenario.
in_cgroup() {
  sh -c 'echo $$ > /sys/fs/cgroup/perfleet-test/cgroup.procs; exec "$@"' in_cgroup "$@" &
}
end_programs() {
  for pid in $(cat /sys/fs/cgroup/perfleet-test/cgroup.procs); do kill -9 "$pid"; done
  wait
}

# Sends what a scenario wrote. Usage: send NAME
send() {
  (cd /out && tar -c "$1".* > /dev/ttyS1)
}

. /scenarios.sh

echo "@@ end"
sync
poweroff -f
