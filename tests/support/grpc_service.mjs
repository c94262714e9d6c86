// The service that grpc_server.mjs has and grpc_client.mjs calls: one method of each kind.
const same = (bytes) => bytes;

function method(name, requestStream, responseStream) {
  return {
    path: `/test.Bytes/${name}`, requestStream, responseStream,
    requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
  };
}

// grpc.health.v1.Health, of which Check alone; its messages are bytes, too.
export const health = { check: { ...method("Check", false, false), path: "/grpc.health.v1.Health/Check" } };

export const service = {
  unary: method("Unary", false, false),
  download: method("Download", false, true),
  upload: method("Upload", true, false),
  talk: method("Talk", true, true),
};
