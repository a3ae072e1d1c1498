// An SMSC over npm's `smpp` (github.com/farhadi/node-smpp), which the gateway's tests bind to. Its first line on standard
// output says where it listens; then one JSON event a line. Arguments: certificate and key, to speak TLS. Each line on its input is a command. It ends with its input.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

// How submits are answered, one each, the last for ever. `ids`: "hex" or "dec"; receipts are in decimal.
let script = [{}];
let next = 0;
let count = 0x1000;
let outstanding = 0;
let most = 0;
const sessions = new Set();

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

function textOf(pdu) {
  const held = pdu.message_payload || pdu.short_message || {};
  const text = held.message === undefined ? held : held.message;
  return { text: Buffer.isBuffer(text) ? text.toString('latin1') : text, udh: held.udh ? held.udh.map((u) => u.toString('hex')) : null };
}

function receiver() {
  for (const session of sessions) {
    if (session.role !== 'bind_transmitter') return session;
  }
  return null;
}

function report(pdu, id, act) {
  const number = act.receipt_ids === 'same' ? id : String(parseInt(id, 16)).padStart(10, '0');
  const stat = act.stat || 'DELIVRD';
  const text = `id:${number} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:${stat} err:${act.err || '000'} text:${textOf(pdu).text.slice(0, 20)}`;
  const told = {
    source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr, esm_class: act.disguised ? 0 : 4, short_message: act.by_parameters ? '' : text,
  };
  if (act.by_parameters) {
    told.receipted_message_id = id;
    told.message_state = act.stat === 'UNDELIV' ? 5 : 2;
  }
  const session = receiver();
  if (session) session.deliver_sm(told, (answer) => tell({ event: 'acknowledged', what: 'receipt', status: answer.command_status }));
}

function submitted(session, pdu) {
  outstanding += 1;
  most = Math.max(most, outstanding);
  const act = script[Math.min(next, script.length - 1)];
  next += 1;
  const { text, udh } = textOf(pdu);
  tell({
    event: 'submit', from: pdu.source_addr, from_ton: pdu.source_addr_ton, to: pdu.destination_addr, text, udh,
    coding: pdu.data_coding, validity: pdu.validity_period, receipt: pdu.registered_delivery, payload: pdu.message_payload !== undefined,
    sar: pdu.sar_segment_seqnum === undefined ? null : [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum],
    outstanding,
  });
  if (act.drop) {
    outstanding -= 1;
    session.destroy();
    return;
  }
  if (act.silent) {
    outstanding -= 1;
    return;
  }
  const answer = () => {
    outstanding -= 1;
    if (act.status) {
      // npm's smpp leaves the body of a refusal out altogether.
      session.send(pdu.response({ command_status: act.status }));
      return;
    }
    const id = (count += 1).toString(16).toUpperCase();
    const respond = () => session.send(pdu.response({ message_id: act.ids === 'dec' ? String(parseInt(id, 16)) : id }));
    if (act.receipt_first) {
      report(pdu, id, act);
      setTimeout(respond, act.receipt_first);
    } else {
      respond();
      if (!act.no_receipt) report(pdu, id, act);
    }
  };
  if (act.after) setTimeout(answer, act.after); else answer();
}

let bindStatus = 0;
const [cert, key] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const server = smpp.createServer(cert ? { cert, key } : {}, (session) => {
  session.on('error', (error) => tell({ event: 'error', what: String(error.message || error) }));
  session.on('close', () => { sessions.delete(session); tell({ event: 'gone' }); });
  session.on('enquire_link', (pdu) => { session.send(pdu.response()); tell({ event: 'enquire' }); });
  session.on('unbind', (pdu) => { tell({ event: 'unbind' }); session.send(pdu.response()); session.close(); });
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      tell({ event: 'bind', kind, system_id: pdu.system_id, password: pdu.password, version: pdu.interface_version, type: pdu.system_type });
      session.send(pdu.response({ command_status: bindStatus, system_id: 'peer' }));
      if (bindStatus === 0) {
        session.role = kind;
        sessions.add(session);
      } else {
        session.close();
      }
    });
  }
  session.on('submit_sm', (pdu) => submitted(session, pdu));
});

const commands = {
  // Said back: what is submitted from then on is answered by it.
  script: ({ acts }) => { script = acts; next = 0; tell({ event: 'scripted' }); },
  bind_status: ({ status }) => { bindStatus = status; },
  drop: () => { for (const session of sessions) session.destroy(); },
  enquire: () => { for (const session of sessions) session.enquire_link({}, () => tell({ event: 'enquire_answered' })); },
  most: () => tell({ event: 'most', most }),
  // A person writes; `parts` in headers with one reference.
  says: ({ from, to, text, parts, encoding }) => {
    const whole = parts || [text];
    whole.forEach((words, n) => {
      const udh = whole.length > 1 ? Buffer.from([5, 0, 3, 77, whole.length, n + 1]) : undefined;
      const pdu = {
        source_addr_ton: 1, source_addr_npi: 1, source_addr: from, destination_addr: to,
        esm_class: udh ? 0x40 : 0, short_message: udh ? { udh, message: words } : words,
      };
      if (encoding) pdu.data_coding = smpp.ENCODING[encoding];
      receiver().deliver_sm(pdu, (answer) => tell({ event: 'acknowledged', what: words, status: answer.command_status }));
    });
  },
};

server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }));
readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const command = JSON.parse(line); commands[command.do](command); })
  .on('close', () => process.exit(0));
