#!/usr/bin/env node
// A partner of Atelier in JavaScript: Node 20 or newer, no packages.
//
//   ATELIER_URL=http://127.0.0.1:8080 ATELIER_KEY=atl_… node partner.mjs place ring.stl PO-17 250.00
//   node partner.mjs follow            every change once, from where the last run ended; --once: what there is now
//   node partner.mjs reconcile         exit 1 when the two sides do not agree
//   node partner.mjs subscribe https://example.org/atelier    messages go there from now on; prints their secret
//   node partner.mjs receive 8443      what is sent there, once it is verified; ATELIER_WEBHOOK_SECRET=whsec_…
//   node partner.mjs verify ID TIMESTAMP SIGNATURE < body    is this webhook Atelier's? exit 1 when it is not
//
// What it has learned it keeps in the file ATELIER_STATE (partner-state.json).

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const { ATELIER_URL, ATELIER_KEY, ATELIER_WEBHOOK_SECRET, ATELIER_STATE: STATE = "partner-state.json" } = process.env;
// A webhook that is older, or from the future, is not believed: somebody may have kept it.
const TOLERANCE_S = 5 * 60;
// Messages are smaller than 20 kB.
const BODY_MAX = 64 * 1024;

function fail(text) {
  console.error(text);
  process.exit(1);
}

/** The answer's JSON. Every call here can be repeated, so whatever may pass is waited for. */
async function call(method, path, body, headers = {}) {
  for (let attempt = 0; attempt < 10; attempt++) {
    let pause = Math.min(2 ** attempt, 30);
    try {
      const sent = { method, body, headers: { authorization: `Bearer ${ATELIER_KEY}`, ...headers }, signal: AbortSignal.timeout(60_000) };
      const answer = await fetch(ATELIER_URL + path, sent);
      // 202: durable, and not decided yet; the same call again tells.
      if (answer.ok && answer.status !== 202) return await answer.json();
      if (![202, 429, 502, 503, 504].includes(answer.status)) fail(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      pause = Number(answer.headers.get("retry-after") ?? 1);
    } catch (error) {
      // Nobody listens, or the answer was lost, whole or in the middle.
      if (attempt === 9) throw error;
    }
    await sleep(pause * 1000);
  }
  fail(`${method} ${path}: no answer that lasts; try again later`);
}

/** One call, idempotent by the reference: to be sent again until it is answered. Prices up to the limit are approved. */
async function place(file, reference, maxPrice) {
  const order = {
    reference,
    item: { material: "silver-925", quantity: 1, finish: "polished" },
    terms: { approve: "at_once", max_price: { amount: maxPrice, currency: "EUR" } },
  };
  const form = new FormData();
  form.append("order", new Blob([JSON.stringify(order)], { type: "application/json" }));
  form.append("model", new Blob([await readFile(file)], { type: "model/stl" }), "model.stl");
  console.log(JSON.stringify(await call("POST", "/partner/v1/orders", form)));
}

async function load() {
  try {
    return JSON.parse(await readFile(STATE, "utf8"));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return { cursor: null, orders: {} };
  }
}

/** The cursor together with what was done about its entries: after a crash neither is ahead of the other. */
async function keep(state) {
  const file = await open(`${STATE}.new`, "w");
  await file.writeFile(JSON.stringify(state));
  await file.sync();
  await file.close();
  await rename(`${STATE}.new`, STATE);
}

async function follow(once) {
  const state = await load();
  for (;;) {
    const query = new URLSearchParams({ limit: "100", wait_s: once ? "0" : "30" });
    if (state.cursor) query.set("cursor", state.cursor);
    const page = await call("GET", `/partner/v1/feed?${query}`);
    for (const entry of page.items) {
      // The same change may come twice, also by a webhook; the version tells.
      if ((state.orders[entry.order_id] ?? 0) < entry.version) {
        console.log(JSON.stringify(entry));
        state.orders[entry.order_id] = entry.version;
      }
    }
    state.cursor = page.next;
    await keep(state);
    if (once && page.items.length === 0) return;
  }
}

async function reconcile() {
  const orders = Object.entries((await load()).orders).map(([order_id, version]) => ({ order_id, version }));
  let agreed = true;
  for (let at = 0; at < orders.length; at += 1000) {
    const body = JSON.stringify({ orders: orders.slice(at, at + 1000) });
    const found = await call("POST", "/partner/v1/reconcile", body, { "content-type": "application/json" });
    agreed = agreed && found.differing.length === 0 && found.unknown.length === 0;
    console.log(JSON.stringify(found));
  }
  process.exit(agreed ? 0 : 1);
}

/** Once per address, however often it is called. The secret is in the answer; keep it, for an hour the same call shows it again. */
async function subscribe(url) {
  const key = createHash("sha256").update(url).digest("hex");
  const headers = { "content-type": "application/json", "idempotency-key": key };
  console.log(JSON.stringify(await call("POST", "/partner/v1/webhooks", JSON.stringify({ url }), headers)));
}

/** Whether a webhook is Atelier's, as the Standard Webhooks specification has it. `body`: its bytes, as they came. */
export function verified(secret, id, timestamp, signatures, body, nowS) {
  if (!/^\d+$/.test(timestamp) || Math.abs(nowS - Number(timestamp)) > TOLERANCE_S) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const wanted = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // Several while the secret is being changed; compared in constant time.
  const given = signatures.split(" ").filter((signature) => signature.startsWith("v1,"));
  return given.map((signature) => Buffer.from(signature.slice(3), "base64")).some((bytes) => bytes.length === wanted.length && timingSafeEqual(bytes, wanted));
}

/** Confirms what is Atelier's. (What speaks TLS stands before it.) What is not confirmed comes again. */
function receive(port) {
  const server = createServer(async (request, answer) => {
    try {
      const body = await bytes(request);
      const head = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => request.headers[name] ?? "");
      const good = verified(ATELIER_WEBHOOK_SECRET, ...head, body, Date.now() / 1000);
      if (good) console.log(body.toString()); // first to where it is safe, then confirmed
      answer.writeHead(good ? 204 : 401).end();
    } catch {
      answer.destroy(); // it broke off, or is too long
    }
  });
  server.listen(Number(port), "127.0.0.1");
}

async function bytes(stream) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    if ((length += chunk.length) > BODY_MAX) throw new Error("too long");
  }
  return Buffer.concat(chunks);
}

const [command, ...rest] = process.argv.slice(2);
if (command === "place" && rest.length === 3) await place(...rest);
else if (command === "follow") await follow(rest.includes("--once"));
else if (command === "reconcile") await reconcile();
else if (command === "subscribe" && rest.length === 1) await subscribe(...rest);
else if (command === "receive" && rest.length === 1) receive(...rest);
else if (command === "verify" && rest.length === 3) {
  process.exit(verified(ATELIER_WEBHOOK_SECRET, ...rest, await bytes(process.stdin), Date.now() / 1000) ? 0 : 1);
} else fail("usage: node partner.mjs place FILE REFERENCE MAX_PRICE | follow [--once] | reconcile | subscribe URL | receive PORT | verify ID TIMESTAMP SIGNATURE");
