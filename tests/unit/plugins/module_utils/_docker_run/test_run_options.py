# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every option of docker run, as the create body that the API gets."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._docker_run import options as run_options
from ansible_collections.caravan.kamal.plugins.module_utils._docker_run.ports import port_bindings
from ansible_collections.caravan.kamal.plugins.module_utils._docker_run.table import FLAGS
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError


def host(**fields):
    return {"HostConfig": fields}


def endpoint(**settings):
    return {"NetworkingConfig": {"EndpointsConfig": {"bridge": settings}}}


def gpu(**changes):
    request = {"Driver": "", "Count": 0, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    return host(DeviceRequests=[dict(request, **changes)])


BODIES = [
    ("network", "backend", host(NetworkMode="backend")),
    ("add-host", "db:10.0.0.2", host(ExtraHosts=["db:10.0.0.2"])),
    ("add-host", ["me=host-gateway", "six:[::1]"], host(ExtraHosts=["me:host-gateway", "six:::1"])),
    ("annotation", "a=b", host(Annotations={"a": "b"})),
    ("blkio-weight", 300, host(BlkioWeight=300)),
    ("blkio-weight-device", "/dev/sda:200", host(BlkioWeightDevice=[{"Path": "/dev/sda", "Weight": 200}])),
    ("cap-add", ["NET_ADMIN", "SYS_TIME"], host(CapAdd=["NET_ADMIN", "SYS_TIME"])),
    ("cap-drop", "ALL", host(CapDrop=["ALL"])),
    ("cgroup-parent", "/apps", host(CgroupParent="/apps")),
    ("cgroupns", "private", host(CgroupnsMode="private")),
    ("cpu-period", 100000, host(CpuPeriod=100000)),
    ("cpu-quota", "50000", host(CpuQuota=50000)),
    ("cpu-rt-period", 1000, host(CpuRealtimePeriod=1000)),
    ("cpu-rt-runtime", 900, host(CpuRealtimeRuntime=900)),
    ("cpu-shares", 512, host(CpuShares=512)),
    ("cpus", 2, host(NanoCpus=2 * 10**9)),
    ("cpus", "1.5", host(NanoCpus=1500000000)),
    ("cpuset-cpus", "0-3,5", host(CpusetCpus="0-3,5")),
    ("cpuset-mems", "0", host(CpusetMems="0")),
    (
        "device",
        ["/dev/fuse", "/dev/sda:/dev/xvda:r", "/dev/kvm:rw"],
        host(
            Devices=[
                {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
                {"PathOnHost": "/dev/sda", "PathInContainer": "/dev/xvda", "CgroupPermissions": "r"},
                {"PathOnHost": "/dev/kvm", "PathInContainer": "/dev/kvm", "CgroupPermissions": "rw"},
            ]
        ),
    ),
    ("device", "nvidia.com/gpu=all", host(DeviceRequests=[{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}])),
    ("device-cgroup-rule", "c 42:* rmw", host(DeviceCgroupRules=["c 42:* rmw"])),
    ("device-read-bps", "/dev/sda:1mb", host(BlkioDeviceReadBps=[{"Path": "/dev/sda", "Rate": 1048576}])),
    ("device-read-iops", "/dev/sda:100", host(BlkioDeviceReadIOps=[{"Path": "/dev/sda", "Rate": 100}])),
    ("device-write-bps", "/dev/sda:1k", host(BlkioDeviceWriteBps=[{"Path": "/dev/sda", "Rate": 1024}])),
    ("device-write-iops", "/dev/sda:7", host(BlkioDeviceWriteIOps=[{"Path": "/dev/sda", "Rate": 7}])),
    ("dns", "1.1.1.1", host(Dns=["1.1.1.1"])),
    ("dns-option", "ndots:1", host(DnsOptions=["ndots:1"])),
    ("dns-search", "example.com", host(DnsSearch=["example.com"])),
    ("domainname", "example.com", {"Domainname": "example.com"}),
    ("entrypoint", "/bin/start", {"Entrypoint": ["/bin/start"]}),
    ("env", ["A=1", "B=x=y", "A=2"], {"Env": ["A=2", "B=x=y"]}),
    ("expose", "80", {"ExposedPorts": {"80/tcp": {}}}),
    ("expose", ["53/udp", "8000-8001"], {"ExposedPorts": {"53/udp": {}, "8000/tcp": {}, "8001/tcp": {}}}),
    ("gpus", "all", gpu(Count=-1)),
    ("gpus", 2, gpu(Count=2)),
    ("gpus", '"device=0,1"', gpu(DeviceIDs=["0", "1"])),
    ("gpus", "device=0,1", gpu(DeviceIDs=["0", "1"])),
    (
        "gpus",
        "driver=nvidia,count=1,capabilities=compute",
        gpu(Driver="nvidia", Count=1, Capabilities=[["compute", "gpu"]]),
    ),
    ("group-add", ["audio", 1000], host(GroupAdd=["audio", "1000"])),
    ("health-cmd", "curl -f localhost", {"Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"]}}),
    ("health-interval", "1m30s", {"Healthcheck": {"Interval": 90 * 10**9}}),
    ("health-retries", 3, {"Healthcheck": {"Retries": 3}}),
    ("health-start-interval", "500ms", {"Healthcheck": {"StartInterval": 5 * 10**8}}),
    ("health-start-period", "1.5h", {"Healthcheck": {"StartPeriod": 5400 * 10**9}}),
    ("health-timeout", "0", {"Healthcheck": {"Timeout": 0}}),
    ("hostname", "web", {"Hostname": "web"}),
    ("init", True, host(Init=True)),
    ("interactive", True, {"OpenStdin": True}),
    ("ip", "10.0.0.9", endpoint(IPAMConfig={"IPv4Address": "10.0.0.9"})),
    ("ip6", "fd00::9", endpoint(IPAMConfig={"IPv6Address": "fd00::9"})),
    ("ipc", "container:other", host(IpcMode="container:other")),
    ("isolation", "default", host(Isolation="default")),
    ("label", ["a=b", "flag", "c=d=e"], {"Labels": {"a": "b", "flag": "", "c": "d=e"}}),
    ("link", "db:database", {**host(Links=["db:database"]), **endpoint(Links=["db:database"])}),
    ("link-local-ip", "169.254.1.1", endpoint(IPAMConfig={"LinkLocalIPs": ["169.254.1.1"]})),
    ("log-driver", "journald", host(LogConfig={"Type": "journald"})),
    ("log-opt", ["max-size=10m", "tag=a=b"], host(LogConfig={"Config": {"max-size": "10m", "tag": "a=b"}})),
    (
        "mac-address",
        "92:d0:c6:0a:29:33",
        {"MacAddress": "92:d0:c6:0a:29:33", **endpoint(MacAddress="92:d0:c6:0a:29:33")},
    ),
    ("memory", "512m", host(Memory=512 * 1024**2)),
    ("memory", 1048576, host(Memory=1048576)),
    ("memory", "1.5GiB", host(Memory=1536 * 1024**2)),
    ("memory-reservation", "1g", host(MemoryReservation=1024**3)),
    ("memory-swappiness", 60, host(MemorySwappiness=60)),
    (
        "mount",
        "type=bind,src=/srv/data,dst=/data,readonly",
        host(Mounts=[{"Type": "bind", "Source": "/srv/data", "Target": "/data", "ReadOnly": True}]),
    ),
    (
        "mount",
        ["target=/cache", "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770"],
        host(
            Mounts=[
                {"Type": "volume", "Target": "/cache"},
                {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 64 * 1024**2, "Mode": 0o1770}},
            ]
        ),
    ),
    (
        "mount",
        'type=volume,source=nfs,target=/n,volume-nocopy,volume-driver=local,volume-opt=type=nfs,"volume-opt=o=ro,soft"',
        host(
            Mounts=[
                {
                    "Type": "volume",
                    "Source": "nfs",
                    "Target": "/n",
                    "VolumeOptions": {
                        "NoCopy": True,
                        "DriverConfig": {"Name": "local", "Options": {"type": "nfs", "o": "ro,soft"}},
                    },
                }
            ]
        ),
    ),
    ("network-alias", ["web", "www"], endpoint(Aliases=["web", "www"])),
    ("no-healthcheck", True, {"Healthcheck": {"Test": ["NONE"]}}),
    ("oom-kill-disable", True, host(OomKillDisable=True)),
    ("oom-score-adj", -500, host(OomScoreAdj=-500)),
    ("pid", "host", host(PidMode="host")),
    ("pids-limit", 100, host(PidsLimit=100)),
    ("platform", "linux/arm64/v8", {"Platform": "linux/arm64/v8"}),
    ("privileged", True, host(Privileged=True)),
    (
        "publish",
        "127.0.0.1:8080:80",
        {
            "ExposedPorts": {"80/tcp": {}},
            **host(PortBindings={"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}),
        },
    ),
    ("publish-all", True, host(PublishAllPorts=True)),
    ("read-only", True, host(ReadonlyRootfs=True)),
    ("restart", "on-failure:5", host(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 5})),
    ("restart", "always", host(RestartPolicy={"Name": "always", "MaximumRetryCount": 0})),
    ("runtime", "runsc", host(Runtime="runsc")),
    ("security-opt", ["no-new-privileges", "apparmor=x"], host(SecurityOpt=["no-new-privileges", "apparmor=x"])),
    ("security-opt", "systempaths=unconfined", host(MaskedPaths=[], ReadonlyPaths=[])),
    ("security-opt", 'seccomp={"a": 1}', host(SecurityOpt=['seccomp={"a": 1}'])),
    ("shm-size", "64m", host(ShmSize=64 * 1024**2)),
    ("stop-signal", "SIGQUIT", {"StopSignal": "SIGQUIT"}),
    ("stop-timeout", 20, {"StopTimeout": 20}),
    ("storage-opt", "size=120G", host(StorageOpt={"size": "120G"})),
    ("sysctl", "net.core.somaxconn=1024", host(Sysctls={"net.core.somaxconn": "1024"})),
    ("tmpfs", ["/run", "/tmp:size=64m,noexec"], host(Tmpfs={"/run": "", "/tmp": "size=64m,noexec"})),
    ("tty", True, {"Tty": True}),
    (
        "ulimit",
        ["nofile=1024:2048", "core=0", "memlock=-1"],
        host(
            Ulimits=[
                {"Name": "nofile", "Soft": 1024, "Hard": 2048},
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "memlock", "Soft": -1, "Hard": -1},
            ]
        ),
    ),
    ("user", "1000:1000", {"User": "1000:1000"}),
    ("userns", "host", host(UsernsMode="host")),
    ("uts", "host", host(UTSMode="host")),
    ("volume", ["data:/data", "/srv:/srv:ro", "./up:/up"], host(Binds=["data:/data", "/srv:/srv:ro", "./up:/up"])),
    ("volume", "/anonymous", {"Volumes": {"/anonymous": {}}}),
    ("volume-driver", "local", host(VolumeDriver="local")),
    ("volumes-from", "other:ro", host(VolumesFrom=["other:ro"])),
    ("workdir", "/app", {"WorkingDir": "/app"}),
    ("init", False, {}),
    ("memory", False, {}),
    ("publish", [], {}),
]


@pytest.mark.parametrize("option, value, body", BODIES)
def test_body(option, value, body):
    found = {}
    run_options.apply({option: value}, found)
    assert found == body


def test_memory_swap_goes_with_memory():
    found = {}
    run_options.apply({"memory": "1g", "memory-swap": -1}, found)
    assert found == host(Memory=1024**3, MemorySwap=-1)


def test_every_flag_is_in_a_table():
    assert set(FLAGS) == {option for option, _value, _body in BODIES} | {"memory-swap"}


@pytest.mark.parametrize(
    "option, value, part",
    [
        ("memry", "1g", "did you mean memory?"),
        ("cap_add", "ALL", "did you mean cap-add?"),
        ("--memory", "1g", "did you mean memory?"),
        ("v", "/a:/b", "did you mean volume?"),
        ("net", "x", "did you mean network?"),
        ("zzzzzz", "x", "is not an option of docker run"),
        ("env-file", "x", "nobody writes"),
        ("rm", True, "rollback"),
        ("pull", "always", "pulled before"),
        ("name", "x", "found by their name"),
        ("detach", True, "detached"),
        ("cpu-count", 2, "Windows"),
        ("kernel-memory", "1g", "gone"),
        ("init", "true", "true or false"),
        ("init", [True], "true or false"),
        ("init", None, "true or false"),
        ("memory", None, "has no value"),
        ("memory", True, "needs a value"),
        ("memory", ["1g", "2g"], "not a list"),
        ("memory", "1x", "512m"),
        ("memory", "-1", "512m"),
        ("cpus", "two", "number of CPUs"),
        ("cpus", "0", "number of CPUs"),
        ("cpus", "NaN", "number of CPUs"),
        ("label", {"a": "b"}, "must be text"),
        ("label", [None], "has no value"),
        ("label", "service=other", "found by it"),
        ("label", "caravan.x=1", "found by it"),
        ("env", "HOME", "NAME=value"),
        ("restart", False, "quotes"),
        ("restart", "sometimes", "unless-stopped"),
        ("restart", "always:3", "on-failure:N"),
        ("restart", "on-failure:x", "on-failure:N"),
        ("health-interval", "10", "10s"),
        ("health-interval", "10 s", "10s"),
        ("publish", "80:", "from 1 to 65535"),
        ("publish", "70000:80", "from 1 to 65535"),
        ("publish", "8000-8002:80-81", "same length"),
        ("publish", "80/icmp", "tcp, udp, sctp"),
        ("publish", "nowhere:80:80", "IP address"),
        ("volume", "data/x:/data", "absolute path on the host"),
        ("volume", ".data:/data", "absolute path on the host"),
        ("volume", "data", "in/container"),
        ("volume", "data:data", "in/container"),
        ("volume", "a:/b:ro:x", "in/container"),
        ("mount", "type=bind,source=data,target=/data", "absolute source"),
        ("mount", "type=bind,source=/data", "must name a target"),
        ("mount", "typ=bind", "field 'typ'"),
        ("mount", "target=/a,readonly=maybe", "true or false"),
        ("ulimit", "nofiles=1", "must limit one of"),
        ("ulimit", "nofile", "nofile=1024"),
        ("ulimit", "nofile=3:2", "soft limit above"),
        ("device", "dev/fuse", "/dev/fuse"),
        ("device", "/dev/a:/dev/b:x", "/dev/fuse"),
        ("device-read-bps", "/dev/sda", "/dev/NAME:VALUE"),
        ("blkio-weight", 5, "from 10 to 1000"),
        ("pids-limit", "many", "whole number"),
        ("security-opt", "seccomp=profile.json", "not a file name"),
        ("ip", "fd00::9", "IPv4"),
        ("add-host", "db", "NAME:IP"),
        ("add-host", "db:nowhere", "IP address"),
        ("network", "name=a,alias=b", "single network"),
        ("gpus", "speed=9", "must be all"),
        ("tmpfs", "run", "/run"),
        ("log-opt", "max-size", "NAME=value"),
        ("hostname", "", "must not be empty"),
        ("pid", "container:", "container:NAME"),
        ("memory-swap", "1g", "needs memory"),
    ],
)
def test_problem(option, value, part):
    found = run_options.problems({option: value})
    assert [name for name, _message in found] == [option]
    assert part in found[0][1]


@pytest.mark.parametrize(
    "options, named",
    [
        ({"no-healthcheck": True, "health-cmd": "true"}, ["no-healthcheck"]),
        ({"cpus": 1, "cpu-quota": 5, "cpu-period": 5}, ["cpus", "cpus"]),
        ({"no-healthcheck": False, "health-cmd": "true"}, []),
        ({"memory": "1g", "memory-swap": "2g"}, []),
    ],
)
def test_conflicts(options, named):
    assert [name for name, _message in run_options.problems(options)] == named


@pytest.mark.parametrize(
    "spec, bindings",
    [
        ("80", {"80/tcp": [{"HostIp": "", "HostPort": ""}]}),
        ("8080:80/udp", {"80/udp": [{"HostIp": "", "HostPort": "8080"}]}),
        ("127.0.0.1::80", {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}),
        ("[::1]:8080:80", {"80/tcp": [{"HostIp": "::1", "HostPort": "8080"}]}),
        ("::1:8080:80", {"80/tcp": [{"HostIp": "::1", "HostPort": "8080"}]}),
        ("8000-8009:80", {"80/tcp": [{"HostIp": "", "HostPort": "8000-8009"}]}),
        (
            "9000-9001:80-81",
            {"80/tcp": [{"HostIp": "", "HostPort": "9000"}], "81/tcp": [{"HostIp": "", "HostPort": "9001"}]},
        ),
    ],
)
def test_port_bindings(spec, bindings):
    assert port_bindings(spec) == bindings


def test_options_are_added_to_what_the_body_has():
    body = {
        "Env": ["A=1", "B=1"],
        "Labels": {"service": "app"},
        "Healthcheck": {"Test": ["CMD", "old", "check"]},
        "HostConfig": {"NetworkMode": "kamal", "Binds": ["aa:/a"], "Memory": 1},
        "NetworkingConfig": {"EndpointsConfig": {"kamal": {"Aliases": ["app"]}}},
    }
    run_options.apply(
        {
            "env": "A=2",
            "label": "team=x",
            "volume": ["aa:/a", "bb:/b"],
            "memory": 2,
            "network-alias": "www",
            "health-cmd": "new",
        },
        body,
    )
    assert body == {
        "Env": ["A=2", "B=1"],
        "Labels": {"service": "app", "team": "x"},
        "Healthcheck": {"Test": ["CMD-SHELL", "new"]},
        "HostConfig": {"NetworkMode": "kamal", "Binds": ["aa:/a", "bb:/b"], "Memory": 2},
        "NetworkingConfig": {"EndpointsConfig": {"kamal": {"Aliases": ["app", "www"]}}},
    }


@pytest.mark.parametrize(
    "network, endpoints",
    [("kamal", {"kamal": {"Aliases": ["app"]}}), ("other", {"other": {"Aliases": ["app"]}}), ("host", {})],
)
def test_another_network_takes_the_endpoint_along(network, endpoints):
    body = {
        "HostConfig": {"NetworkMode": "kamal"},
        "NetworkingConfig": {"EndpointsConfig": {"kamal": {"Aliases": ["app"]}}},
    }
    run_options.apply({"network": network}, body)
    assert body["NetworkingConfig"]["EndpointsConfig"] == endpoints
    assert body["HostConfig"]["NetworkMode"] == network


def test_two_publishes_of_one_port_are_both_kept():
    body = {}
    run_options.add_ports(["127.0.0.1:80:80", "[::1]:80:80"], body)
    assert [entry["HostIp"] for entry in body["HostConfig"]["PortBindings"]["80/tcp"]] == ["127.0.0.1", "::1"]


def test_volumes():
    body = {}
    run_options.add_volumes(["data:/data"], body)
    assert body == host(Binds=["data:/data"])


def test_apply_refuses_before_it_changes_anything():
    body = {"HostConfig": {"Memory": 1}}
    before = copy.deepcopy(body)
    with pytest.raises(ConfigError) as caught:
        run_options.apply({"memory": "2g", "cpus": "x", "memry": 1}, body)
    assert body == before
    assert [problem.key_path for problem in caught.value.problems] == ["options/cpus", "options/memry"]
