// The admin listener: /metrics, /healthz, /readyz, /status, /sockets (and what passes through one), /reload, /drain. Runs on the control thread, so that a
// stuck worker can be told of.
// Small requests, small answers but for streams, one per connection; every wait is bounded.
#pragma once

#include <memory>

#include "config/service_config.h"
#include "gateway/admin/admin_answer.h"
#include "gateway/admin/admin_places.h"
#include "gateway/control_io.h"
#include "tls/descriptor.h"

namespace sluice::admin {

using AdminSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

// Carries out what requests ask for (`asked.task`), on the control thread; `done` is called once, then or later.
using AdminTasks = std::function<void(const AdminReply& asked, std::function<void(AdminReply)> done)>;

class AdminServer {
 public:
  // For what is to be done, such as resolving names for a reload. Who has asked hears then that it is still under way.
  static constexpr std::chrono::milliseconds kTaskTime{30000};

  // Takes over a listening descriptor.
  AdminServer(IoContext& context, config::Admin settings, AdminSources sources, AdminTasks tasks, int descriptor,
              std::chrono::milliseconds task_time = kTaskTime);
  void start();
  // Closes the listening socket; who is connected gets an answer.
  void close();
  // The same, but keeps the socket, at which another process accepts; start() accepts there again.
  void hold();
  int socket() { return acceptor_.native_handle(); }

 private:
  struct Connection {
    Connection(AdminSocket accepted, std::shared_ptr<AdminPlaces> places);
    void close();

    AdminSocket socket;
    AdminPlaces::Place place;
  };

  ControlAwaitable<> accept_loop();
  ControlAwaitable<> serve(std::shared_ptr<Connection> connection);
  ControlAwaitable<AdminReply> carry_out(AdminReply asked);
  ControlAwaitable<ErrorCode> send_stream(std::shared_ptr<Connection> connection, std::shared_ptr<AnswerStream> stream);
  AdminSocket accept_with_spare(ErrorCode& error);
  void renew_spare();

  static constexpr std::size_t kMaxConnections = 64;
  IoContext& context_;
  const config::Admin settings_;
  const AdminSources sources_;
  const AdminTasks tasks_;
  const std::chrono::milliseconds task_time_;
  asio::basic_socket_acceptor<asio::ip::tcp, Executor> acceptor_;
  tls::Descriptor held_;
  // Given up for a connection when there are no descriptors left: then, above all, one asks what is going on.
  tls::Descriptor spare_;
  const std::shared_ptr<AdminPlaces> places_ = std::make_shared<AdminPlaces>(kMaxConnections);
};

}  // namespace sluice::admin
