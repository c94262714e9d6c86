#include "upstream/outlier.h"

namespace sluice::upstream {

bool speaks_against_endpoint(FailureCode code, bool reused) noexcept {
  switch (code) {
    case FailureCode::connect_refused:
    case FailureCode::connect_failed:
    case FailureCode::connect_timeout:
    case FailureCode::tls_failed:
    case FailureCode::certificate_rejected:
    case FailureCode::response_timeout:
    case FailureCode::bad_response:
      return true;
    case FailureCode::reset:
      return !reused;
    case FailureCode::none:
    case FailureCode::no_endpoint:
    case FailureCode::upstream_full:
    case FailureCode::resolve_failed:  // it gets nothing as it is, and is back with its address
    case FailureCode::stream_refused:  // by one that is well
    case FailureCode::bad_upgrade:
    case FailureCode::body_truncated:
    case FailureCode::body_timeout:
    case FailureCode::bad_body:
    case FailureCode::overloaded:
    case FailureCode::client_left:
    case FailureCode::count_:
      break;
  }
  return false;
}

}  // namespace sluice::upstream
