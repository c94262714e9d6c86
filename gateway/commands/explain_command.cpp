#include "gateway/commands/explain_command.h"

#include "gateway/commands/explanation.h"

namespace sluice::commands {

std::string explain_command(config::Config config, const ExplainOptions& options) {
  const TrialRequest request = make_request(options.method, options.url, options.headers);
  const proxy::Snapshot snapshot(std::move(config));
  const ListenerChoice choice = choose_listener(snapshot.config, request, options.listener);
  const TrialClient client{options.client, choose_http2(*choice.listener, options.protocol)};
  Explanation explanation = explain(snapshot, request, *choice.listener, client);
  explanation.request = options.method + " " + options.url;
  if (!choice.note.empty()) explanation.notes.push_back(choice.note);
  return options.json ? to_json(explanation) : to_text(explanation);
}

}  // namespace sluice::commands
