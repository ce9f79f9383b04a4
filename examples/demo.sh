#!/usr/bin/env bash
# Load the example estate into a new embedded store and show what the product knows of it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CMDB_STORE="sqlite:///$folder/cmdb.db" CMDB_ACTOR="${CMDB_ACTOR:-demo}"

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '\033[2m$ cmdb %s\033[0m\n' "$*"; cmdb "$@"; }

step "1. A new store with the shipped model, and a provincial power company in it"
run init
for file in "$here"/estate/*.yaml; do
    cmdb apply "$file"
done
run status

step "2. Find and search, in Chinese and English, by parts of what is known"
run find Hardware --organisation 云江省电力公司 --count-by organisation,lifecycle_state
run find Server 'POWERED_BY.name^=R02' --columns name,serial_number,lifecycle_state
run search 营销
run search 2201900

step "3. One record, what it stands on, and its résumé"
run show YJ-ESX-02
run history YJ-ESX-02

step "4. The past is as readable as the present"
run show 营销数据库 --as-of 5
run diff 5

step "5. Sound, and open to other tools"
run check
run export --format graphml --out "$folder/estate.graphml"
ls -l "$folder/estate.graphml" | awk '{print $5 " bytes of GraphML"}'
