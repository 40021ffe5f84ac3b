#!/bin/bash
# Brings a whole node up twice, in the namespaces that the test gives it, runs pods on it, and sees that nothing is left:
# after an orderly life, after a kill -9 of every component, and after what a reboot leaves. Its last line is "clean".
# usage: isolated_node.sh PYTHON STATE_DIRECTORY
set -euo pipefail
python=$1 state=$2
cluster() { "$python" -m tradingbot_cluster "$@" --state-dir="$state" --provider=local; }
kubectl() { "$("$python" -m tradingbot_cluster program kubectl)" --kubeconfig="$state/kubeconfig" "$@"; }
say() { echo "== $*" >&2; }
fail() { echo "FAILED: $*" >&2; exit 1; }
trap 'cluster down >&2 || true' EXIT
facts() { iptables-save | grep '^-A' || true; ip -brief link; sysctl net.ipv4.ip_forward vm.overcommit_memory kernel.panic; }

mount -t tmpfs none /run
ip link set lo up
before=$(facts)

pod() { # name, uid; what it runs comes from standard input
    cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $1}}
spec:
  restartPolicy: OnFailure
  securityContext: {runAsNonRoot: true, runAsUser: $2, fsGroup: $2, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: main
      image: $image
      workingDir: /data
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: data, mountPath: /data}]
      command:
        - python3
        - -u
        - -c
        - |
$(sed 's/^/          /')
  volumes:
    - name: data
      persistentVolumeClaim: {claimName: data}
YAML
}

web() {
    pod web 1000 <<'PYTHON'
import http.server
http.server.test(http.server.SimpleHTTPRequestHandler, port=8080)
PYTHON
}

# By the Service's name to a pod, by the API server's name to the host, and a file on the volume.
client() {
    pod client 999 <<'PYTHON'
import ssl, time, urllib.request
for _ in range(50):
    try:
        print("web", urllib.request.urlopen("http://web.default.svc.cluster.local", timeout=2).status)
        break
    except OSError as failed:
        print(failed)
        time.sleep(0.2)
open("/data/file", "w").write("x")
trusted = ssl.create_default_context(cafile="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
print("api", urllib.request.urlopen("https://kubernetes.default/version", context=trusted, timeout=5).status)
PYTHON
}

service() {
    cat <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
YAML
}

# What the API server says of a pod is old until the kubelet has looked.
patiently() {
    for _ in $(seq 90); do
        "$@" 2>/dev/null && return
        sleep 1
    done
    "$@"
}

use() {
    image=$(cluster build-images redis --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["redis"]["reference"])')
    kubectl label namespace default pod-security.kubernetes.io/enforce=restricted >&2
    { service; web; client; } | kubectl apply -f - >&2
    kubectl wait --for=condition=Ready pod/web --timeout=60s >&2
    kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/client --timeout=90s >&2 || fail "$(kubectl logs client)"
    logs=$(kubectl logs client)
    [[ $logs == *"web 200"*"api 200"* ]] || fail "the pod's log: $logs"
    [[ $(kubectl exec web -- id -u) == 1000 ]] || fail "exec"
}

# The data of a deep checkout lie elsewhere: the kubelet's sockets need short paths.
mounts() { awk -v state="$state/" -v key="/tradingbot-operator/$key/" 'index($2, state) == 1 || index($2, key) { print $2 }' /proc/mounts; }

clean() {
    [[ $(facts) == "$before" ]] || fail "the machine is not as before: $(diff <(echo "$before") <(facts))"
    [[ ! -e $state ]] || fail "$(ls -A "$state") is left in $state"
    [[ ! -e /var/lib/tradingbot-operator/$key ]] || fail "/var/lib/tradingbot-operator/$key is left"
    [[ -z $(mounts) ]] || fail "mounts are left: $(mounts)"
    [[ -z $(find /sys/fs/cgroup -maxdepth 3 -name "tradingbot-$key") ]] || fail "control groups are left"
    [[ -z $(ls /run/containerd/s 2>/dev/null) ]] || fail "sockets of shims are left"
    for process in /proc/[0-9]*; do
        ! tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q "tradingbot-operator/$key" || fail "$process is left"
    done
}

say "an orderly life"
cluster up >&2
key=$(basename "$(readlink "$state/run")")
use
cluster status >&2
cluster down >&2
clean

say "kill -9 of everything, then up, then again, then down"
cluster up >&2
use
kill_all() {
    kill -9 $(cluster status --json | "$python" -c 'import json, sys; print(*[c["pid"] for c in json.load(sys.stdin)["components"]])')
    sleep 0.5
}
kill_all
cluster up >&2
[[ $(patiently kubectl exec web -- id -u) == 1000 ]] || fail "exec after the crash"
kill_all
cluster down >&2
clean

say "a reboot: nothing of the machine's memory is left, the disk is"
cluster up >&2
use
kill_all
while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done < <(cat $(find /sys/fs/cgroup/*/"tradingbot-$key" -name cgroup.procs) | sort -u)
sleep 1
find /sys/fs/cgroup/*/"tradingbot-$key" -depth -type d -exec rmdir {} +
mounts | sort -ru | xargs umount --lazy
rm -rf /run/*
ip -brief link | awk '/^tbot-/ {sub("@.*", "", $1); print $1}' | xargs -n1 ip link delete
for table in filter nat mangle; do iptables -t $table -F; iptables -t $table -X; done
cluster up >&2
[[ $(patiently kubectl exec web -- cat /data/file) == x ]] || fail "the volume after the reboot"
cluster down >&2
clean
echo clean
