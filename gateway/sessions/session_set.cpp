#include "gateway/sessions/session_set.h"

#include "tls/stream_error.h"

namespace sluice::sessions {

SessionEntry::SessionEntry(SessionSet& set, tls::Stream& stream, Drain drain, void* context)
    : set_(set), stream_(stream), drain_(drain), context_(context), next_(set.first_) {
  if (next_ != nullptr) next_->previous_ = this;
  set.first_ = this;
}

SessionEntry::~SessionEntry() {
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    set_.first_ = next_;
  }
  if (next_ != nullptr) next_->previous_ = previous_;
}

void SessionSet::drain() {
  for (SessionEntry* entry = first_; entry != nullptr; entry = entry->next_) {
    if (entry->drain_ != nullptr) entry->drain_(entry->context_);
  }
}

// abort() only cancels: no session unwinds, and no entry goes, before its coroutine runs again.
void SessionSet::cut_all() {
  for (SessionEntry* entry = first_; entry != nullptr; entry = entry->next_) {
    entry->stream_.abort(tls::StreamError::draining);
  }
}

}  // namespace sluice::sessions
