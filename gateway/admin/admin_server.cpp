#include "gateway/admin/admin_server.h"

#include <fcntl.h>

#include <asio/redirect_error.hpp>
#include <asio/write.hpp>
#include <cerrno>

#include "gateway/http1/request_parser.h"
#include "gateway/http1/serializer.h"
#include "metrics/log.h"

namespace sluice::admin {
namespace {

constexpr std::chrono::milliseconds kRequestTime{5000};  // to ask and to take the answer
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string response_text(const AdminReply& reply, bool head_only) {
  http::Headers headers;
  headers.add_view("Content-Type", reply.content_type);
  if (!reply.stream) headers.add("Content-Length", std::to_string(reply.body.size()));
  headers.add_view("Cache-Control", "no-store");
  headers.add_view("X-Content-Type-Options", "nosniff");
  if (reply.status == 405) headers.add_view("Allow", reply.allow);
  if (reply.status == 401) headers.add_view("WWW-Authenticate", "Bearer");
  headers.add_view("Connection", "close");
  std::string text;
  http1::append_response_head(text, reply.status, http::default_reason(reply.status), headers);
  if (!head_only) text += reply.body;
  return text;
}

}  // namespace

AdminServer::Connection::Connection(AdminSocket accepted, std::shared_ptr<AdminPlaces> places)
    : socket(std::move(accepted)), place(std::move(places), [this] { close(); }) {}

// Ends what is pending and what would come.
void AdminServer::Connection::close() {
  ErrorCode ignored;
  socket.close(ignored);
}

AdminServer::AdminServer(IoContext& context, config::Admin settings, AdminSources sources, AdminTasks tasks, int descriptor,
                         std::chrono::milliseconds task_time)
    : context_(context),
      settings_(std::move(settings)),
      sources_(std::move(sources)),
      tasks_(std::move(tasks)),
      task_time_(task_time),
      acceptor_(context) {
  held_ = tls::Descriptor(descriptor);
  renew_spare();
}

void AdminServer::start() {
  if (acceptor_.is_open() || !held_) return;
  acceptor_.assign(settings_.address.v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), held_.get());
  held_.release();
  acceptor_.non_blocking(true);
  asio::co_spawn(context_.get_executor(), accept_loop(), asio::detached);
}

void AdminServer::close() {
  hold();
  held_.close();
}

// Taken out of Asio's epoll: a successor may have the socket as well.
void AdminServer::hold() {
  ErrorCode ignored;
  if (acceptor_.is_open()) held_ = tls::Descriptor(acceptor_.release(ignored));
}

ControlAwaitable<> AdminServer::accept_loop() {
  while (acceptor_.is_open()) {
    ErrorCode error;
    auto socket = co_await acceptor_.async_accept(asio::redirect_error(use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error.value() == EMFILE || error.value() == ENFILE) socket = accept_with_spare(error);
    if (error) {  // a moment's rest, never a spin
      renew_spare();
      Timer pause(context_, kAcceptPause);
      co_await pause.async_wait(asio::redirect_error(use_awaitable, error));
      continue;
    }
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);  // Asio does not; a successor must not have it
    auto connection = std::make_shared<Connection>(std::move(socket), places_);
    asio::co_spawn(context_.get_executor(), serve(std::move(connection)), asio::detached);
  }
}

AdminSocket AdminServer::accept_with_spare(ErrorCode& error) {
  spare_.close();
  return acceptor_.accept(error);
}

void AdminServer::renew_spare() {
  if (!spare_) spare_ = tls::Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

ControlAwaitable<AdminReply> AdminServer::carry_out(AdminReply asked) {
  struct Outcome {
    Outcome(IoContext& context, std::chrono::milliseconds time) : told(context, time) {}
    AdminReply reply;
    Timer told;  // over at once when it is
  };
  const auto outcome = std::make_shared<Outcome>(context_, task_time_);
  outcome->reply.status = 202;
  outcome->reply.body = "still under way; the log will tell how it ends\n";
  tasks_(asked, [outcome](AdminReply reply) {
    outcome->reply = std::move(reply);
    outcome->told.expires_at(Clock::time_point::min());
  });
  ErrorCode ignored;
  co_await outcome->told.async_wait(asio::redirect_error(use_awaitable, ignored));
  co_return std::move(outcome->reply);
}

// Until it has told all, or its reader is gone: nothing more is expected of that one, so whatever is read says so.
ControlAwaitable<ErrorCode> AdminServer::send_stream(std::shared_ptr<Connection> connection, std::shared_ptr<AnswerStream> stream) {
  AdminSocket& socket = connection->socket;
  const auto more = std::make_shared<Timer>(context_, Clock::time_point::max());
  const auto heard = std::make_shared<char>();
  socket.async_read_some(asio::buffer(heard.get(), 1), [connection, more, heard](const ErrorCode&, std::size_t) {
    connection->close();
    more->cancel();
  });
  std::string text;
  ErrorCode error;
  bool goes_on = true;
  while (goes_on && !error && socket.is_open()) {
    text.clear();
    goes_on = stream->take(text, [more] { more->cancel(); });
    if (!text.empty()) {
      co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(use_awaitable, error));
    } else if (goes_on) {
      ErrorCode ignored;
      co_await more->async_wait(asio::redirect_error(use_awaitable, ignored));
    }
  }
  if (!error && !socket.is_open()) error = asio::error::operation_aborted;
  co_return error;
}

ControlAwaitable<> AdminServer::serve(std::shared_ptr<Connection> connection) {
  AdminSocket& socket = connection->socket;
  Timer deadline(context_, kRequestTime);
  const auto cut = [connection](const ErrorCode& cancelled) {
    if (!cancelled) connection->close();
  };
  deadline.async_wait(cut);
  http1::RequestParser parser({});
  http::RequestHead request;
  http1::HeadResult head;
  std::string received;
  std::array<char, 4096> chunk;
  ErrorCode error;
  while (!error && head.state == http1::HeadResult::incomplete) {
    const std::size_t n = co_await socket.async_read_some(asio::buffer(chunk), asio::redirect_error(use_awaitable, error));
    received.append(chunk.data(), n);
    if (!error) head = parser.parse(received, request);
  }
  connection->place.enter(AdminPlaces::Phase::sending);
  std::string text;
  std::shared_ptr<AnswerStream> stream;
  if (head.state == http1::HeadResult::complete) {
    AdminReply reply = answer(request, settings_, sources_);
    if (reply.task != Task::none) {
      deadline.cancel();  // it is bounded itself
      reply = co_await carry_out(reply);
      if (request.method != "HEAD") stream = reply.stream;
      deadline.expires_after(stream ? stream->longest() + kRequestTime : kRequestTime);
      deadline.async_wait(cut);
    }
    text = response_text(reply, request.method == "HEAD");
  } else if (head.state == http1::HeadResult::failed) {
    AdminReply refusal;
    refusal.status = http::status_of(head.error);
    refusal.body = std::string(http::describe(head.error)) + "\n";
    text = response_text(refusal, false);
  }
  if (!error) co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(use_awaitable, error));
  if (!error && stream) error = co_await send_stream(connection, std::move(stream));
  if (!error) socket.shutdown(asio::socket_base::shutdown_send, error);
  connection->place.enter(AdminPlaces::Phase::lingering);
  while (!error) co_await socket.async_read_some(asio::buffer(chunk), asio::redirect_error(use_awaitable, error));
  socket.close(error);
  renew_spare();
}

}  // namespace sluice::admin
