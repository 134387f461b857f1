#!/usr/bin/env bash
# A partner of Atelier with curl, jq and openssl.
#
#   ATELIER_URL=http://127.0.0.1:8080 ATELIER_KEY=atl_… ./partner.sh place ring.stl PO-17 250.00
#   ./partner.sh follow            every change once, from where the last run ended; --once: what there is now
#   ./partner.sh reconcile         exit 1 when the two sides do not agree
#   ./partner.sh verify ID TIMESTAMP SIGNATURE < body    is this webhook ours? ATELIER_WEBHOOK_SECRET=whsec_…
#
# What it has learned it keeps in the file ATELIER_STATE (partner-state.json).
set -euo pipefail

state=${ATELIER_STATE:-partner-state.json}
# A webhook that is older, or from the future, is not believed: somebody may have kept it.
tolerance_s=300

# The answer's JSON. Every call here can be repeated; curl waits as Retry-After says. The key does not show in the list of processes.
call() {
    local path=$1; shift
    curl --silent --show-error --fail-with-body --max-time 60 --retry 9 --retry-connrefused \
        --header @<(printf 'Authorization: Bearer %s' "$ATELIER_KEY") "$@" "$ATELIER_URL$path"
}

# One call, idempotent by the reference: to be sent again until it is answered. Prices up to the limit are approved.
place() {
    local order
    order=$(jq --null-input --compact-output --arg reference "$2" --arg price "$3" '{
        reference: $reference,
        item: {material: "silver-925", quantity: 1, finish: "polished"},
        terms: {approve: "at_once", max_price: {amount: $price, currency: "EUR"}}}')
    call /partner/v1/orders --form "order=$order;type=application/json" --form "model=@$1;type=model/stl"
    echo
}

# The cursor and the versions are written together: after a crash neither is ahead of the other.
follow() {
    local wait_s=30 page
    [[ ${1:-} == --once ]] && wait_s=0
    [[ -e $state ]] || echo '{"cursor": null, "orders": {}}' > "$state"
    while :; do
        page=$(call "/partner/v1/feed?limit=100&wait_s=$wait_s$(jq --raw-output 'if .cursor then "&cursor=" + .cursor else "" end' "$state")")
        # The same change may come twice, also by a webhook; the version tells.
        jq --compact-output --slurpfile state "$state" '.items[] | select(.version > ($state[0].orders[.order_id] // 0))' <<< "$page"
        jq --slurpfile state "$state" 'reduce .items[] as $entry ($state[0] + {cursor: .next};
            .orders[$entry.order_id] = ([.orders[$entry.order_id] // 0, $entry.version] | max))' <<< "$page" > "$state.new"
        sync "$state.new" && mv "$state.new" "$state"
        if ((wait_s == 0)) && [[ $(jq '.items | length' <<< "$page") == 0 ]]; then return; fi
    done
}

reconcile() {
    local found
    found=$(jq --compact-output '{orders: [.orders | to_entries[] | {order_id: .key, version: .value}]}' "$state" |
        call /partner/v1/reconcile --header 'Content-Type: application/json' --data @-)
    echo "$found"
    jq --exit-status '(.differing | length) + (.unknown | length) == 0' <<< "$found" > /dev/null
}

# Whether a webhook is Atelier's, as the Standard Webhooks specification has it; its body, as it came, on standard input.
# (openssl takes the key as an argument, which others on the same machine may see: where there are any, use another language.)
verify() {
    local id=$1 timestamp=$2 signatures=$3 now key wanted signature
    now=$(date +%s)
    [[ $timestamp =~ ^[0-9]+$ ]] && ((timestamp >= now - tolerance_s && timestamp <= now + tolerance_s)) || return 1
    key=$(printf %s "${ATELIER_WEBHOOK_SECRET#whsec_}" | base64 --decode | od -An -v -tx1 | tr -d ' \n')
    wanted=$({ printf '%s.%s.' "$id" "$timestamp"; cat; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
    # Several while the secret is being changed.
    for signature in $signatures; do
        [[ $signature == "v1,$wanted" ]] && return 0
    done
    return 1
}

case ${1:-} in
    place | follow | reconcile | verify) "$@" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
