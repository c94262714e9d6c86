// What the service manager that started the gateway (systemd, Type=notify) is told: sd_notify(3). Nothing without one.
// libsystemd would do the same with one datagram, and bring five libraries along.
#pragma once

#include <string>

namespace sluice::service_manager {

void ready();
void reloading();  // until ready()
void stopping();
void main_process_is(int pid);  // this one's place was taken

}  // namespace sluice::service_manager
