// How a tunnel that passes frames as they are looks at their text.
#include "gateway/websocket/text_inspection.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::websocket {

std::string_view Tunnel::inspect(Direction& direction, std::string_view bytes) {
  const TextGuard::Verdict verdict = direction.inspection->guard.check(bytes);
  if (!verdict.wrong) return bytes;
  direction.walker = direction.inspection->before.look_ahead();  // these sizes are counted
  direction.walker.walk(bytes.data(), verdict.passable);
  direction.walker.refuse(Violation::text_not_utf8);
  if (verdict.within_frame) {
    // It waits for the rest of a payload that does not come: no Close can be told to it, only the end.
    direction.own_close = true;
    direction.to->shutdown_write();
  }
  return bytes.substr(0, verdict.passable);
}

}  // namespace sluice::websocket
