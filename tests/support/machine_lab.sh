# A machine with a firmware of its own, in namespaces of its own, looked at by real tools.
# Arguments: a folder that holds tables/ and id/ (firmware) and takes out/; name, domain, address, port.
# Run by: unshare --mount --net --uts sh machine_lab.sh …
set -eu
umask 077
lab=$1 name=$2 domain=$3 address=$4 port=$5
community=lab-community-7714
root=$lab/root
started=
trap 'for pid in $started; do kill "$pid" 2>/dev/null || :; done' EXIT

# Its own root, over this one: nothing that is written there stays.
mkdir -p "$lab/layer" "$root" "$lab/class" "$lab/out/ansible"
mount -t tmpfs lab "$lab/layer"
mkdir "$lab/layer/upper" "$lab/layer/work"
mount -t overlay lab -o "lowerdir=/,upperdir=$lab/layer/upper,workdir=$lab/layer/work" "$root"
mount --bind "$lab/out" "$root$lab/out"
rm -f "$root/.dockerenv" # it is a machine, not a container
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount -t sysfs lab "$root/sys"

# Its firmware.
mount -t tmpfs lab "$root/sys/firmware"
mkdir -p "$root/sys/firmware/dmi"
cp -r "$lab/tables" "$root/sys/firmware/dmi/tables"
mount -t tmpfs lab "$lab/class"
for class in "$root"/sys/class/*; do
    mkdir "$lab/class/${class##*/}"
    mount --bind "$class" "$lab/class/${class##*/}"
done
mkdir -p "$lab/class/dmi"
cp -r "$lab/id" "$lab/class/dmi/id"
mount --rbind "$lab/class" "$root/sys/class"

# Its name and its network: a cable to a second namespace, from which it is scanned.
hostname "$name"
printf '127.0.0.1 localhost\n%s %s.%s %s\n' "$address" "$name" "$domain" "$name" >"$root/etc/hosts"
unshare --net sleep 120 &
scanner=$!
started="$started $scanner"
until [ "$(readlink "/proc/$scanner/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add ens1f0 type veth peer name scan0
ip link set scan0 netns "$scanner"
ip link set lo up
ip link set ens1f0 up
ip address add "$address/24" dev ens1f0
nsenter --net="/proc/$scanner/ns/net" ip link set scan0 up
nsenter --net="/proc/$scanner/ns/net" ip address add "${address%.*}.1/24" dev scan0
ip route add default via "${address%.*}.1"

# What looks at it.
out=$lab/out
in_it="chroot $root /usr/bin/env -i PATH=$PATH HOME=$out LC_ALL=C.UTF-8"
$in_it dmidecode >"$out/$name.dmidecode"
$in_it lshw -quiet -json >"$out/$name.json"
$in_it ansible all -i "$name.$domain," -c local -m setup --tree "$out/ansible" >"$out/ansible.log"

$in_it python3 -m http.server 8080 --bind "$address" >"$out/http.log" 2>&1 &
started="$started $!"
{
    printf 'rocommunity %s 127.0.0.1 -V system\n' "$community"
    for subtree in 1 2 4 31 47; do printf 'view system included .1.3.6.1.2.1.%s\n' $subtree; done
} >"$root$lab/snmpd.conf"
chmod 600 "$root$lab/snmpd.conf"
$in_it snmpd -f -Lf /dev/null -C -c "$lab/snmpd.conf" "udp:127.0.0.1:$port" >"$out/snmpd.log" 2>&1 &
started="$started $!"
for _ in $(seq 30); do
    $in_it snmpwalk -v2c -c "$community" -On -t 1 -r 0 "127.0.0.1:$port" .1.3.6.1.2.1 \
        >"$out/$name.walk" 2>"$out/snmpwalk.log" && break
    sleep 0.3
done
[ -s "$out/$name.walk" ]
tries=0
until $in_it ss -Hltn "sport = :8080" | grep -q . || [ $((tries += 1)) -gt 100 ]; do sleep 0.1; done
nsenter --net="/proc/$scanner/ns/net" chroot "$root" \
    nmap -sS -p 22,8080 --system-dns -oX "$out/scan.xml" "$address" >"$out/nmap.log"
