// The command line. See --help; the exit codes are ExitCode's.
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "config/counted.h"
#include "config/load.h"
#include "config/proxy_config.h"
#include "config/report.h"
#include "config/schema.h"
#include "config/suggestion.h"
#include "config/visible.h"
#include "gateway/commands/admin_client.h"
#include "gateway/commands/admin_commands.h"
#include "gateway/commands/explain_command.h"
#include "gateway/commands/plan_command.h"
#include "gateway/commands/sockets_command.h"
#include "gateway/commands/tap_command.h"
#include "gateway/commands/trial_request.h"
#include "gateway/server.h"
#include "gateway/tls_setup.h"
#include "metrics/log.h"

namespace sluice {
namespace {

struct Options {
  Program program;
  std::string config_file;
  std::string to;
  std::string http = "127.0.0.1:8080";
  std::string https = "127.0.0.1:8443";
  std::string admin = "127.0.0.1:9901";
  commands::ExplainOptions explain;
  bool json = false;
  bool wait = false;
  std::string old_file, new_file;
  std::string plan_admin;
  commands::SocketsOptions sockets;
  commands::TapOptions tap;
};

// The given file, or the first default that exists.
std::string find_config(const std::string& given) {
  if (!given.empty()) return given;
  for (const char* candidate : {"sluice.yaml", "/etc/sluice/sluice.yaml"}) {
    if (::access(candidate, F_OK) == 0) return candidate;
  }
  return "sluice.yaml";
}

void print_problems(const config::ConfigError& error) {
  for (const config::Problem& problem : error.problems()) std::cerr << problem.text() << "\n";
}

ExitCode serve(config::Config config, std::optional<std::string> file, const Program& program,
               const std::vector<std::string>& warnings) {
  try {
    metrics::start_logs(config.log, config.access_log);
  } catch (const std::runtime_error& error) {
    std::cerr << "sluice: " << error.what() << "\n";
    return ExitCode::cannot_start;
  }
  struct Logs {
    ~Logs() { metrics::shutdown_logs(); }
  } const until_the_end;
  for (const std::string& warning : warnings) metrics::log().warn("{}", warning);
  // Until the gateway takes them: a logrotate or a reload that comes early must not end it.
  for (const int number : {SIGHUP, SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);
  return run_server(std::move(config), std::move(file), program);
}

ExitCode serve_file(const Options& options) {
  const std::string file = find_config(options.config_file);
  std::vector<std::string> warnings;
  config::Config config = config::load_file(file, warnings);
  return serve(std::move(config), file, options.program, warnings);
}

ExitCode serve_proxy(const Options& options) {
  config::Config config = config::proxy_config(options.to, options.http, options.https, options.admin);
  return serve(std::move(config), std::nullopt, options.program, {});
}

ExitCode check(const Options& options) {
  const std::string file = find_config(options.config_file);
  std::vector<std::string> warnings;
  const config::Config config = config::load_file(file, warnings);
  load_tls(config, warnings);
  if (const std::string problem = metrics::access_log_problem(config.access_log); !problem.empty()) {
    std::cerr << file << ": access_log.file: " << problem << "; expected a file that may be written to, in a folder that exists\n";
    return ExitCode::bad_input;
  }
  for (const std::string& warning : warnings) std::cerr << "warning: " << warning << "\n";
  std::cout << file << ": ok (" << config::counted(config.listeners.size(), "listener") << ", "
            << config::counted(config.routes.size(), "route") << ", " << config::counted(config.upstreams.size(), "upstream") << ")\n";
  return ExitCode::done;
}

ExitCode explain(const Options& options) {
  std::vector<std::string> warnings;  // are for `check` to tell
  std::cout << commands::explain_command(config::load_file(find_config(options.config_file), warnings),
                                         options.explain);
  return ExitCode::done;
}

ExitCode plan(const Options& options) {
  std::vector<std::string> warnings;  // are for `check` to tell
  const config::Config running = config::load_file(options.old_file, warnings);
  const config::Config next = config::load_file(options.new_file, warnings);
  std::cout << commands::plan_command(running, next, options.plan_admin);
  return ExitCode::done;
}

void add_config_option(CLI::App& command, Options& options) {
  command.add_option("--config", options.config_file,
                     "The file (default: ./sluice.yaml, then /etc/sluice/sluice.yaml)");
}

void add_proxy_options(CLI::App& command, Options& options) {
  command.add_option("--to", options.to, "The backend, e.g. http://127.0.0.1:8000")->required();
  command.add_option("--http", options.http, "Address for http and ws, or off")->capture_default_str();
  command.add_option("--https", options.https, "Address for https and wss (self-signed), or off")
      ->capture_default_str();
  command.add_option("--admin", options.admin, "Address for /metrics, /status, /sockets and what changes the gateway (reload, drain), or off")
      ->capture_default_str();
}

void add_admin_options(CLI::App& command, Options& options) {
  command.add_option("--admin", options.admin, "The running gateway's admin.address")->capture_default_str();
  command.footer("Where the gateway has an admin.token, set SLUICE_ADMIN_TOKEN to it. Exit code 3: cannot reach the gateway.");
}

void add_sockets_options(CLI::App& command, commands::SocketsOptions& options) {
  command.add_option("ID", options.id, "One WebSocket, as the list and the access log (socket) call it");
  command.add_option("--admin", options.admin, "The running gateway's admin.address")->capture_default_str();
  command.add_option("--route", options.route, "Those of a route");
  command.add_option("--client", options.client, "Those of an IP address, or of a block such as 10.0.0.0/8");
  command.add_option("--endpoint", options.endpoint, "Those that lead to an endpoint, by its URL as `sluice status` tells it");
  command.add_option("--older-than", options.older_than, "Those that are open for longer, e.g. 1h");
  command.add_option("--idle-for", options.idle_for, "Those without data for so long, e.g. 5m");
  command.add_option("--faster-than", options.faster_than, "Those with more messages a second lately, in either direction");
  CLI::Option* limit = command.add_option("--limit", options.limit, "Show so many, the oldest (default 100, at most 10000)");
  command.add_flag("--json", options.json, "For programs");
  CLI::Option* close = command.add_flag("--close", options.close, "Close them politely; one by its ID, those that the filters name, or --all");
  limit->excludes(close);
  command.add_option("--code", options.code, "Close code: 1000, 1001, 1008, 1012, 1013 or 3000 to 4999 (default 1001)")->needs(close);
  command.add_option("--reason", options.reason, "What the Close says besides, at most 123 bytes")->needs(close);
  command.add_option("--over", options.over, "Spread over so much time, e.g. 20s (default: at once)")->needs(close);
  command.add_flag("--all", options.all, "All of them")->needs(close);
  command.footer(
      "OUT is towards the client, IN is what it sends: messages a second lately, then bytes. HTTP is what the client speaks, then\n"
      "what its backend does: 1.1>2 shares a connection of HTTP/2 to it with others.\n"
      "Where the gateway has an admin.token, set SLUICE_ADMIN_TOKEN to it. Exit codes: 1 the gateway takes no such filter or knows\n"
      "no such ID, 3 cannot reach the gateway.");
}

void add_tap_options(CLI::App& command, commands::TapOptions& options) {
  command.add_option("ID", options.id, "The WebSocket, as `sluice sockets` and the access log (socket) call it")->required();
  command.add_option("--admin", options.admin, "The running gateway's admin.address")->capture_default_str();
  command.add_option("--for", options.time, "Look for so long, at most 10m (default 1m)");
  command.add_flag("--json", options.json, "For programs: one object a line");
  command.footer(
      "Shows the headers of frames, and what is in them only where the route has websocket.tap: payload. The gateway's log tells that\n"
      "somebody looks. Where the gateway has an admin.token, set SLUICE_ADMIN_TOKEN to it. Exit codes: 1 there is no such ID,\n"
      "or --for is wrong, 3 cannot reach the gateway, or it refuses (websocket.tap: off, or somebody looks already).");
}

// 0: the output goes elsewhere.
std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void add_plan_options(CLI::App& command, Options& options) {
  command.add_option("OLD", options.old_file, "The configuration that is running")->required();
  command.add_option("NEW", options.new_file, "The one that would replace it")->required();
  command.add_option("--admin", options.plan_admin, "A running gateway's admin.address: tells how many of its WebSockets would be let go");
  command.footer("Nothing is changed. Both files are validated; problems are printed, with exit code 1.");
}

void add_explain_options(CLI::App& command, commands::ExplainOptions& options) {
  command.add_option("METHOD", options.method, "e.g. GET")->required();
  command.add_option("URL", options.url, "http://, https://, or ws:// and wss:// for an upgrade")->required();
  command.add_option("-H,--header", options.headers, "'Name: value', as often as needed")
      ->allow_extra_args(false);
  command.add_option("--listener", options.listener, "The listener by name, whatever the URL's port");
  command.add_option("--client", options.client, "The IP address that connects")->capture_default_str();
  command.add_option("--protocol", options.protocol, "What the client speaks, h2 or http/1.1 (default: http/1.1 where the listener does)");
  command.add_flag("--json", options.json, "For programs");
  command.footer("Nothing is sent. Exit code 0 whatever the answer would be, also when that is a 404.");
}

// CLI11 would say that a command is missing, not that this one is unknown.
ExitCode refuse_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  const std::string given = arguments.empty() ? "" : arguments.front();
  std::cerr << "sluice: " << (given.empty() ? "a command is missing" : "unknown command " + config::in_quotes(given))
            << "; " << config::hint(given, names) << "\nRun with --help for more information.\n";
  return ExitCode::usage;
}

// CLI11 would name them in the opposite order.
ExitCode refuse_arguments(const CLI::App& command) {
  std::string given;
  for (const std::string& one : command.remaining()) given += " " + config::in_quotes(one);
  std::cerr << "sluice " << command.get_name() << ": does not take" << given << "\n";
  if (command.get_name() == "serve" || command.get_name() == "check") {
    std::cerr << "A file is named with --config FILE. What `sluice proxy` takes as options are keys there, for instance admin.address.\n";
  }
  std::cerr << "Run with --help for more information.\n";
  return ExitCode::usage;
}

ExitCode run(int argc, char** argv) {
  Options options;
  options.program = Program::of(argc, argv);
  CLI::App app{"Sluice: an HTTP and WebSocket gateway"};
  app.name("sluice");
  app.set_version_flag("--version", "sluice " SLUICE_VERSION);
  app.require_subcommand(0, 1);  // that there is none is told in our words
  app.footer(
      "Exit codes: 0 done, 1 the input or configuration is wrong, 2 usage, 3 cannot reach the gateway,\n"
      "4 cannot start (a port is taken).\n"
      "Signals: SIGTERM drains then exits, a second one exits at once; SIGHUP reloads the configuration; SIGUSR1 reopens\n"
      "the access log; SIGUSR2 starts the program anew, hands the listening sockets over and drains.\n"
      "`sluice COMMAND --help` tells more: explain about listeners, schema about editors.");

  CLI::App* serve_command = app.add_subcommand("serve", "Run the gateway with a configuration file");
  CLI::App* proxy_command =
      app.add_subcommand("proxy", "Run without a file: everything to one backend, over http and https");
  CLI::App* check_command = app.add_subcommand("check", "Validate a configuration file; print every error");
  CLI::App* explain_command = app.add_subcommand(
      "explain", "Tell which listener, route and upstream would serve a request, and why not the others");
  CLI::App* schema_command =
      app.add_subcommand("schema", "Print the JSON Schema of the configuration file, for editors");
  CLI::App* plan_command = app.add_subcommand("plan", "Tell what a reload would change");
  CLI::App* reload_command = app.add_subcommand("reload", "Let a running gateway read its configuration again");
  CLI::App* drain_command = app.add_subcommand("drain", "Let a running gateway begin to finish what is under way, then exit");
  CLI::App* status_command = app.add_subcommand("status", "Show a running gateway's state");
  CLI::App* sockets_command = app.add_subcommand("sockets", "Show a running gateway's open WebSockets, or close some");
  CLI::App* tap_command = app.add_subcommand("tap", "Show the frames that pass through a running gateway's WebSocket");
  CLI::App* version_command = app.add_subcommand("version", "Print the version");
  for (CLI::App* command : {serve_command, check_command, explain_command})
    add_config_option(*command, options);
  add_proxy_options(*proxy_command, options);
  add_explain_options(*explain_command, options.explain);
  add_plan_options(*plan_command, options);
  add_sockets_options(*sockets_command, options.sockets);
  add_tap_options(*tap_command, options.tap);
  for (CLI::App* command : {reload_command, drain_command, status_command}) add_admin_options(*command, options);
  reload_command->footer(
      "Where the gateway has an admin.token, set SLUICE_ADMIN_TOKEN to it. Exit codes: 1 the configuration is refused and nothing has\n"
      "changed, 3 cannot reach the gateway, or the configuration is in force in part, or not yet.");
  drain_command->add_flag("--wait", options.wait,
                          "Return when it has ended, after timeouts.drain at the latest; without, as soon as it has begun");
  status_command->add_flag("--json", options.json, "For programs");
  schema_command->footer(
      "sluice schema > sluice.schema.json, and as the first line of the configuration:\n"
      "# yaml-language-server: $schema=sluice.schema.json");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool unknown = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
    if (unknown && app.get_subcommands().empty()) return refuse_command(app, app.remaining());
    if (unknown) return refuse_arguments(*app.get_subcommands().front());
    const int code = app.exit(error);
    return code == 0 ? ExitCode::done : ExitCode::usage;
  }
  if (app.get_subcommands().empty()) return refuse_command(app, {});
  if (*version_command) std::cout << "sluice " << SLUICE_VERSION << "\n";
  if (*schema_command) std::cout << config::schema_text();
  if (*check_command) return check(options);
  if (*explain_command) return explain(options);
  if (*plan_command) return plan(options);
  if (*reload_command) std::cout << commands::reload_command(options.admin);
  if (*drain_command) std::cout << commands::drain_command(options.admin, options.wait);
  if (*status_command) std::cout << commands::status_command(options.admin, options.json);
  if (*sockets_command) std::cout << commands::sockets_command(options.sockets, terminal_width());
  if (*tap_command) commands::tap_command(options.tap, std::cout);
  if (*proxy_command) return serve_proxy(options);
  return *serve_command ? serve_file(options) : ExitCode::done;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  try {
    return static_cast<int>(sluice::run(argc, argv));
  } catch (const sluice::config::ConfigError& error) {
    sluice::print_problems(error);
    return static_cast<int>(sluice::ExitCode::bad_input);
  } catch (const sluice::commands::UnreachableError& error) {
    std::cerr << "sluice: " << error.what() << "\n";
    return static_cast<int>(sluice::ExitCode::unreachable);
  } catch (const sluice::commands::InputError& error) {
    std::cerr << "sluice: " << sluice::config::visible(error.what()) << "\n";
    return static_cast<int>(sluice::ExitCode::bad_input);
  }
}
