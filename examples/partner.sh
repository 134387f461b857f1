#!/usr/bin/env bash
# A partner of Atelier with curl, jq and openssl.
#
#   ATELIER_URL=http://127.0.0.1:8080 ATELIER_KEY=atl_… ./partner.sh place ring.stl PO-17 250.00
#   ./partner.sh follow            every change once, from where the last run ended; --once: what there is now
#   ./partner.sh reconcile         exit 1 when the two sides do not agree
#   ./partner.sh subscribe https://example.org/atelier    messages go there from now on; prints their secret
#   ./partner.sh verify ID TIMESTAMP SIGNATURE < body    is this webhook Atelier's? ATELIER_WEBHOOK_SECRET=whsec_…
#
# What it has learned it keeps in the file ATELIER_STATE (partner-state.json).
set -euo pipefail

state=${ATELIER_STATE:-partner-state.json}
# A webhook that is older, or from the future, is not believed: somebody may have kept it.
tolerance_s=300

# The answer's JSON. Every call here can be repeated, so whatever may pass is waited for. (curl's own --retry takes a 202 for an
# order.) The key does not show in the list of processes.
call() {
    local path=$1 attempt answer status pause; shift
    for attempt in {0..9}; do
        if answer=$(curl --silent --max-time 60 --header @<(printf 'Authorization: Bearer %s' "$ATELIER_KEY") \
            --write-out '\n%{http_code} %header{retry-after}' "$@" "$ATELIER_URL$path"); then
            read -r status pause <<< "${answer##*$'\n'}"
            answer=${answer%$'\n'*}
            case $status in
                202) ;; # durable, and not decided yet: the same call again tells
                2??) printf '%s\n' "$answer"; return ;;
                429 | 502 | 503 | 504) ;;
                *) echo "$path: $status $answer" >&2; return 1 ;;
            esac
            sleep "${pause:-1}"
        else # nobody listens, or the answer was lost, whole or in the middle
            sleep $((attempt < 5 ? 2 ** attempt : 30))
        fi
    done
    echo "$path: no answer that lasts; try again later" >&2
    return 1
}

# One call, idempotent by the reference: to be sent again until it is answered. Prices up to the limit are approved.
place() {
    # In a file: in an argument curl would take a `;` in the reference for its own.
    order=$(mktemp)
    trap 'rm -f "$order"' EXIT
    jq --null-input --compact-output --arg reference "$2" --arg price "$3" '{
        reference: $reference,
        item: {material: "silver-925", quantity: 1, finish: "polished"},
        terms: {approve: "at_once", max_price: {amount: $price, currency: "EUR"}}}' > "$order"
    call /partner/v1/orders --form "order=<$order;type=application/json" --form "model=@\"$1\";type=model/stl"
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
    local part found agreed=0
    # 1000 in one question would be taken; an argument of a program has at most 128 KiB.
    while read -r part; do
        found=$(call /partner/v1/reconcile --header 'Content-Type: application/json' --data "$part")
        echo "$found"
        jq --exit-status '(.differing | length) + (.unknown | length) == 0' <<< "$found" > /dev/null || agreed=1
    done < <(jq --compact-output '[.orders | to_entries[] | {order_id: .key, version: .value}] | range(0; length; 500) as $at | {orders: .[$at:$at + 500]}' "$state")
    return $agreed
}

# Once per address, however often it is called. The secret is in the answer; keep it, for an hour the same call shows it again.
subscribe() {
    local key
    key=$(printf %s "$1" | sha256sum | cut -d ' ' -f 1)
    call /partner/v1/webhooks --header 'Content-Type: application/json' --header "Idempotency-Key: $key" \
        --data "$(jq --null-input --compact-output --arg url "$1" '{url: $url}')"
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
    place | follow | reconcile | subscribe | verify) "$@" ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
