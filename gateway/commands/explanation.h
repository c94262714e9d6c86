// What would happen to a request, found by the code that serves requests: the parser, decide() and
// answer_locally(). Nothing is sent or connected to. What depends on the moment (limits that are reached,
// backends that are down) is not known here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateway/commands/backend_protocols.h"
#include "gateway/commands/choose_listener.h"
#include "gateway/commands/outgoing_head.h"
#include "gateway/commands/trial_request.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/routing/verdicts.h"

namespace sluice::commands {

// Whoever sends the request.
struct TrialClient {
  std::string address;  // that connects; on a unix socket there is none
  bool http2 = false;   // it speaks HTTP/2
};

struct ClientView {
  std::string address;   // that connects
  bool trusted = false;  // it is among the listener's trusted_proxies
  std::string believed;  // who the client is taken for
  std::string scheme;    // what it is taken to speak
  bool http2 = false;
  bool may_choose = false;  // the listener speaks both versions of HTTP
};

struct LocalAnswer {
  unsigned status = 0;
  std::string reason;    // the phrase of the status
  std::string sentence;  // why, of a refusal
  Pairs fields;
  std::size_t body_size = 0;
};

// One upstream that a request may go to.
struct Destination {
  std::string upstream;
  std::string share;  // of a split: `5%`; empty: all goes there
  std::vector<std::string> endpoints;  // with weights, where they have any
  std::string balance;
  unsigned attempts = 1;
  BackendProtocols protocols;
};

// For the backend.
struct Forwarded {
  std::vector<Destination> to;  // one, or the sides of a split
  bool sticky = false;          // a client stays with its side
  std::optional<Destination> mirror;  // gets copies; with a share
  std::optional<OutgoingHead> http1, http2;  // as it is in either version; one that no backend speaks is absent
};

struct RouteLine {
  std::string name;
  routing::Verdict verdict;
};

struct Explanation {
  std::string request;  // METHOD URL
  std::string listener;
  std::vector<std::string> notes;
  ClientView client;
  bool websocket = false;
  std::string path;                   // normalised; empty: it was refused before that
  std::string route;                  // empty: none
  std::optional<LocalAnswer> answer;  // one of these two
  std::optional<Forwarded> forwarded;
  std::vector<std::string> request_rules;  // `set X-Client: 127.0.0.1`
  std::vector<std::string> response_rules;
  Pairs in_force;                 // key and value: limits and timeouts
  Pairs observed;                 // the same of limits that websocket.observe has taken out of force
  std::vector<RouteLine> routes;  // empty: the routes are not asked
};

// Throws InputError when the client's address is none, or the request has what its protocol has not.
Explanation explain(const proxy::Snapshot& snapshot, const TrialRequest& request,
                    const config::Listener& listener, const TrialClient& client);

// For people, and for programs.
std::string to_text(const Explanation& explanation);
std::string to_json(const Explanation& explanation);

}  // namespace sluice::commands
