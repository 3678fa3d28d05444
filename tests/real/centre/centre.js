// A message centre of node-smpp's, on 127.0.0.1. Says what it sees as lines of JSON; the first is its port.
// The last digit of the number decides: 3 is refused, 4 is throttled, 9 is taken in silence, 7 is refused with a vendor's status; the
// rest is taken and reported on. Of 0, the second part is throttled at first; of 8, it is not delivered; to 2, the person answers; of 6, ids are written in hex
// when a message is taken, and as decimal numbers of ten digits in the text of reports.
const fs = require("fs");
const smpp = require("smpp");

const [password, key, cert] = process.argv.slice(2);
const tell = (seen) => process.stdout.write(JSON.stringify(seen) + "\n");
let number = 0;
let throttled = 0;

const partOf = (pdu) => (pdu.short_message.udh ?? []).map((each) => each[each.length - 1])[0];

function report(session, pdu, id) {
  if (pdu.destination_addr.endsWith("6")) return reportInDecimals(session, pdu, id);
  const lost = pdu.destination_addr.endsWith("8") && partOf(pdu) === 2;
  const text = `id:${id} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:${lost ? "UNDELIV" : "DELIVRD"} err:000 text:`;
  const state = lost ? smpp.MESSAGE_STATE.UNDELIVERABLE : smpp.MESSAGE_STATE.DELIVERED;
  const receipt = { source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT };
  session.deliver_sm(
    { ...receipt, short_message: text, receipted_message_id: id, message_state: state },
    (answer) => tell({ seen: "deliver_sm_resp", id, status: answer.command_status }),
  );
}

function reportInDecimals(session, pdu, id) {
  const decimal = String(parseInt(id, 16)).padStart(10, "0");
  const text = `id:${decimal} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:DELIVRD err:000 text:`;
  session.deliver_sm(
    { source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT, short_message: text },
    (answer) => tell({ seen: "deliver_sm_resp", id, status: answer.command_status }),
  );
}

function write(session, to, about) {
  session.deliver_sm({ source_addr: to.destination_addr, source_addr_ton: 1, destination_addr: "71456", ...about }, (answer) =>
    tell({ seen: "written_resp", status: answer.command_status }),
  );
}

function answer(session, pdu) {
  write(session, pdu, { short_message: "Ja tack {€} åäö" });
  write(session, pdu, { short_message: "Да, å ä ö" });
  write(session, pdu, { short_message: { udh: Buffer.from([5, 0, 3, 9, 2, 2]), message: "slut å" } });
  write(session, pdu, { short_message: { udh: Buffer.from([5, 0, 3, 9, 2, 1]), message: "början " } });
  write(session, pdu, { short_message: "", message_payload: "Som last: ö" });
}

function take(session, pdu) {
  const last = pdu.destination_addr.slice(-1);
  const id = last === "6" ? (0xabc0 + ++number).toString(16).toUpperCase() : `node-${++number}`;
  const text = pdu.short_message.message ?? pdu.short_message;
  tell({
    seen: "submit_sm", id, to: pdu.destination_addr, from: pdu.source_addr, ton: pdu.source_addr_ton, npi: pdu.source_addr_npi, until: pdu.validity_period, coding: pdu.data_coding,
    esm: pdu.esm_class, wanted: pdu.registered_delivery, text: String(text), udh: (pdu.short_message.udh ?? []).map((e) => e.toString("hex")),
    payload: pdu.message_payload ? String(pdu.message_payload.message ?? pdu.message_payload) : null,
  });
  if (last === "3") return session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
  if (last === "4") return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
  if (last === "0" && partOf(pdu) === 2 && !throttled++) return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
  if (last === "7") return session.send(pdu.response({ command_status: 0x401 }));
  if (last === "9") return undefined;
  session.send(pdu.response({ message_id: id }));
  if (last === "2") answer(session, pdu);
  return report(session, pdu, id);
}

function serve(session) {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => {
    const known = pdu.system_id === "municipality" && pdu.password === password;
    tell({ seen: "bind", known, version: pdu.interface_version });
    session.send(pdu.response(known ? { system_id: "node" } : { command_status: smpp.ESME_RINVPASWD }));
  });
  session.on("submit_sm", (pdu) => take(session, pdu));
  session.on("enquire_link", (pdu) => { tell({ seen: "enquire_link" }); session.send(pdu.response()); });
  session.on("unbind", (pdu) => { tell({ seen: "unbind" }); session.send(pdu.response()); session.close(); });
}

const secure = key ? { key: fs.readFileSync(key), cert: fs.readFileSync(cert) } : {};
const server = smpp.createServer(secure, serve);
server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0)); // the tests are gone
