#!/usr/bin/env bash
# Load the example estate into a new embedded store, import what tools and ledgers say of it, and show what is known.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CMDB_STORE="sqlite:///$folder/cmdb.db" CMDB_ACTOR="${CMDB_ACTOR:-demo}"
from=examples/discovery
year=$(date -u +%Y)

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '\033[2m# %s\033[0m\n' "$*"; }
told() { printf '\033[2m$ cmdb %s\033[0m\n' "$*"; }
run() { told "$@"; cmdb "$@"; }
# A command that is refused: it says why and exits with a code for that.
refused() { told "$@"; cmdb "$@" || say "exit code $?"; }
load() { told import "$@" --apply; cmdb import "$@" --apply --first 0 | grep reported; }
# A guessed mapping, several columns a line.
folded() {
    awk 'function flush() { if (line) print line; line = "" }
         /^  +[^ ].*: [^ ]/ { match($0, /[^ ]/); if (RSTART != indent) flush(); indent = RSTART
                              if (length(line) > 100) flush()
                              text = substr($0, RSTART); line = line ? line "; " text : $0; next }
         { flush(); print }'
}

step "1. A new store with the shipped model, and a provincial power company in it"
run init
for file in examples/estate/*.yaml; do
    cmdb apply "$file"
done
told status
cmdb status | sed -n '1,10p'

step "2. Find and search, in Chinese and English, by parts of what is known"
run find Hardware --organisation 云江省电力公司 --count-by organisation,lifecycle_state
run find Server 'POWERED_BY.name^=R02' --columns name,serial_number,lifecycle_state
run search 2201900

step "3. A device ledger in GB18030: what its headers seem to mean, and the plan; nothing is written yet"
told import ledger $from/ledger/设备台账.csv --first 4
cmdb import ledger $from/ledger/设备台账.csv --first 4 | folded

step "4. Apply it, and import what tools and registers say; what is known already is found again"
say "one row has a wrong date: that value is rejected, and the row goes in without it"
load ledger $from/ledger/设备台账.csv
say "a ledger whose headers tell nothing, read by a mapping; it is a source of its own"
load ledger $from/ledger/通信设备清册.xlsx --option mapping=$from/ledger/mapping.yaml --source 通信清册
load ldap $from/ldap/信通部.ldif
load ansible $from/ansible/facts $from/ansible/a301 --option inventory=$from/ansible/inventory.ini
load netbox $from/netbox
load lldp $from/lldp
load snmp $from/snmp
load glpi $from/glpi
load kubernetes $from/kubernetes --option cluster=云江容器云
load terraform $from/terraform/terraform.tfstate
load service-graph $from/service-graph

step "5. What a person must decide: a host that nmap saw fits two records"
say "somebody wrote this one down by hand, without an address; the ledger has it without a host name"
run create Server name=YJ-BAK-01 hostname=yj-bak-01 organisation=省公司信通部 lifecycle_state=in_use
load nmap $from/nmap
run duplicates
say "it is one machine: the ledger's record stays, the other one goes into it"
run merge 备份服务器 YJ-BAK-01 --reason "CHG-2071 checked on site"

step "6. One server, one record: the ledger, Ansible, LLDP, SNMP and nmap speak of the same machine"
run why '营销应用服务器 07' os_name
run sources

step "7. The same again commits nothing"
told import nmap $from/nmap --apply
cmdb import nmap $from/nmap --apply

step "8. Relationships that follow from values: a virtual machine runs on the host that it names"
told import jsonl $from/jsonl/observations.jsonl --apply
cmdb import jsonl $from/jsonl/observations.jsonl --apply | grep -E 'inferred|reported|Committed'
run find VirtualMachine RUNS_ON.name=YJ-ESX-01 --columns name,management_ip,host_name

step "9. The past is as readable as the present, and an import can be taken back"
run show 营销数据库 --as-of 5
run diff 5 6
say "this file was meant for another store"
told import compose $from/compose/compose.yaml --apply
imported=$(cmdb import compose $from/compose/compose.yaml --apply --first 0 | tail -n 1)
echo "$imported"
run undo "${imported//[^0-9]/}" --reason "imported by mistake"

step "10. What an outage hits: one power distribution unit, then both; and what breaks a service alone"
run impact R02-PDU-A
run impact R01-PDU-A R01-PDU-B R02-PDU-A R02-PDU-B --service-only
run single-points 营业厅业务 --first 8
told impact UPS-A --picture outage.html
cmdb impact UPS-A --picture "$folder/outage.html" >/dev/null 2>&1
ls -l "$folder/outage.html" | awk '{print $5 " bytes, a page to look around in"}'

step "11. The life of a device: 李明 orders that a server from the ledger be commissioned, 李晓梅 approves"
run order new commission ZC-2024-0602 place=A301-R03 rack_position=24 contract=服务器维保合同 --actor liming
run order submit TY-$year-000001 --actor liming
run order list --mine --actor lixiaomei
run order approve TY-$year-000001 --comment 同意 --actor lixiaomei
say "the standard operating procedure for servers has not been gone through"
refused order execute TY-$year-000001 --actor liming
run order execute TY-$year-000001 --checked all --serial 备用服务器=224060602 --actor liming
run order complete TY-$year-000001 --yes --actor liming

step "12. A host of the marketing database is still in use: it is not decommissioned, and the refusal says why"
run order new decommission YJ-ESX-01 --actor liming
cmdb order submit TC-$year-000001 --actor liming
cmdb order approve TC-$year-000001 --actor lixiaomei
refused order execute TC-$year-000001 --actor liming
run order withdraw TC-$year-000001 --yes --reason "still in use" --actor liming

step "13. A handover between two city companies, signed by both sides, and what was recorded of the device"
run order new transfer PF3K0107 to_organisation=南湖供电公司 to_custodian=何静 --actor hanmei
run order submit YJ-$year-000001 --actor hanmei
run order approve YJ-$year-000001 --actor zhengtao
run order execute YJ-$year-000001 --actor zhengtao
say "in transit, and visible to both; then the receiving side signs"
run order execute YJ-$year-000001 --actor hejing
run order complete YJ-$year-000001 --yes --actor hanmei
run resume BL-YYT-PC07

step "14. Sound, and open to other tools"
run check
run export --format graphml --out "$folder/estate.graphml"
ls -l "$folder/estate.graphml" | awk '{print $5 " bytes of GraphML"}'

step "15. An alert about a host opens an incident; a change is planned against it, and carried out"
say "two alerts as Alertmanager sends them; one is of a host that nobody knows, and is kept"
begins=$(date -u +%Y-%m-%dT%H:%M:%SZ)
sed "s/2026-01-05T01:02:0[35]Z/$begins/" examples/alerts/alertmanager.json >"$folder/alerts.json"
run alert receive "$folder/alerts.json" --format alertmanager
told desk run --once
cmdb desk run --once 2>&1
run alert list --unmatched
run incident show SJ-$year-000001 --actor wangfang
run incident acknowledge SJ-$year-000001 --actor wangfang
say "what changed here and below is the first question; then an emergency change, with what it will make otherwise"
run incident changed SJ-$year-000001 --first 3
ends="${begins%%-*}-12-31T23:59:59Z"
run change new emergency YJ-ESX-01 name="更换 YJ-ESX-01 内存" starts_at="$begins" ends_at="$ends" back_out_plan=换回原件 --actor liming
run change plan BJ-$year-000001 examples/changes/more-memory.yaml --actor liming
run change diff BJ-$year-000001
say "somebody else wants to do something to the switch that it hangs on, at the same time"
cmdb change new normal YJ-ACC-SW11 starts_at="$begins" ends_at="$ends" implementation_plan=升级固件 back_out_plan=回退固件 --actor wangfang
cmdb change submit BG-$year-000001 --actor wangfang
cmdb change submit BJ-$year-000001 --actor liming
run change collisions BJ-$year-000001
run change risk BJ-$year-000001
refused change assess BJ-$year-000001 --actor chenjianguo
run change assess BJ-$year-000001 --override no_collision="先抢修，固件升级改期" --actor chenjianguo
run change approve BJ-$year-000001 --comment 同意 --actor chenjianguo
run change begin BJ-$year-000001 --actor liming
run change confirm BJ-$year-000001 --actor liming
run incident relate SJ-$year-000001 BJ-$year-000001 --fixed-by --actor wangfang
run incident resolve SJ-$year-000001 --code replaced --text 更换内存 --actor wangfang
say "the device's résumé tells the whole story"
run resume YJ-ESX-01
