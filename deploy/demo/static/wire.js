// How many bytes things take on the wire in HTTP/1.1 and WebSocket, as well as a page can know it.

const encoder = new TextEncoder();

export function byteLength(text) {
  return encoder.encode(text).length;
}

// RFC 6455 section 5.2: two bytes, the longer length forms, and the mask that only clients send.
export function frameBytes(payload, masked) {
  const length = byteLength(payload);
  const extension = length < 126 ? 0 : length < 65536 ? 2 : 8;
  return 2 + extension + (masked ? 4 : 0) + length;
}

// RFC 9112 section 7.1: the size in hexadecimal and two line ends.
export function chunkBytes(text) {
  const length = byteLength(text);
  return length.toString(16).length + 2 + length + 2;
}

export function eventBytes(event) {
  const id = event.lastEventId && event.type === "message" ? `id: ${event.lastEventId}\n` : "";
  const type = event.type === "message" ? "" : `event: ${event.type}\n`;
  return chunkBytes(`${id}${type}data: ${event.data}\n\n`);
}

export function answerHeadBytes(response) {
  let size = `HTTP/1.1 ${response.status} ${response.statusText}\r\n\r\n`.length;
  for (const [name, value] of response.headers) size += name.length + value.length + 4;
  return size;
}

const SWITCHING =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" +
  "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: uvicorn\r\n\r\n";

// A page cannot see the fields that the browser adds to a request. The server reports the size of one request head;
// the others differ from it by the length of their target.
export class WireSizes {
  constructor(measuredHead, measuredTarget, measuredAnswerHead) {
    this.headWithoutTarget = measuredHead - measuredTarget.length;
    this.answerHead = measuredAnswerHead;
    this.upgradeAnswer = SWITCHING.length;
  }

  request(url) {
    const { pathname, search } = new URL(url, document.baseURI);
    return this.headWithoutTarget + pathname.length + search.length;
  }

  post(url, body) {
    const length = byteLength(body);
    const fields =
      `Content-Type: application/json\r\nContent-Length: ${length}\r\nOrigin: ${location.origin}\r\n`.length;
    const answerBody = '{"id":1000}'.length;
    return this.request(url) + "POST".length - "GET".length + fields + length + this.answerHead + answerBody;
  }
}
