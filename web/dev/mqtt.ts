/**
 * Just enough MQTT 3.1.1 for `mosquitto_pub` against the mock: CONNECT, PUBLISH with QoS 0 and 1, PINGREQ,
 * DISCONNECT. The real gateway is another program; this lets the browser tests run without it.
 */
import { createServer, type Server, type Socket } from 'node:net';

type Published = (topic: string, payload: string) => void;

interface Packet {
  type: number;
  flags: number;
  body: Buffer;
  total: number;
}

const CONNECT = 1;
const PUBLISH = 3;
const PINGREQ = 12;
const PACKET_BYTES_MAX = 256 * 1024;

export function mqttServer(published: Published): Server {
  return createServer((socket) => {
    let buffered: Buffer = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      buffered = Buffer.concat([buffered, chunk]);
      if (buffered.length > PACKET_BYTES_MAX) socket.destroy();
      for (;;) {
        const packet = take(buffered);
        if (packet === null) break;
        buffered = buffered.subarray(packet.total);
        answer(socket, packet, published);
      }
    });
  });
}

/** The first whole packet, or null while it has not all come. */
function take(buffer: Buffer): Packet | null {
  const [first = 0] = buffer;
  let length = 0;
  for (let i = 1; i <= 4; i += 1) {
    const byte = buffer[i];
    if (byte === undefined) return null;
    length += (byte & 127) << (7 * (i - 1));
    if (byte < 128) {
      const total = i + 1 + length;
      return buffer.length < total
        ? null
        : { type: first >> 4, flags: first & 15, body: buffer.subarray(i + 1, total), total };
    }
  }
  return null;
}

function answer(socket: Socket, { type, flags, body }: Packet, published: Published): void {
  if (type === CONNECT) socket.write(Buffer.from([0x20, 2, 0, 0]));
  if (type === PINGREQ) socket.write(Buffer.from([0xd0, 0]));
  if (type !== PUBLISH) return;
  const qos = (flags >> 1) & 3;
  const topicEnd = 2 + body.readUInt16BE(0);
  const payloadStart = topicEnd + (qos > 0 ? 2 : 0);
  published(body.toString('utf8', 2, topicEnd), body.toString('utf8', payloadStart));
  if (qos > 0) socket.write(Buffer.concat([Buffer.from([0x40, 2]), body.subarray(topicEnd, topicEnd + 2)]));
}
