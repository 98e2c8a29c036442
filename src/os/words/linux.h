/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How Linux is spoken of, with systemd where there is a service. Included by os/words/words.h alone. */
#ifndef TM_OS_WORDS_LINUX_H
#define TM_OS_WORDS_LINUX_H

#define OS_NAME "linux" /* what a node says it runs on */

/* --- rights --- */
#define OS_SUDO "sudo " /* before a command that is an administrator's */
#define OS_SUDO_HINT "try it with sudo"
#define OS_PING_HINT "try it with sudo, or allow it with the sysctl net.ipv4.ping_group_range"
#define OS_SUDO_USER "SUDO_USER" /* the variable that names who became administrator for a command */
#define OS_OWN_FILE "sudo chown root: %.500s" /* so that it is an administrator's */
#define OS_HIDE_FILE "sudo chmod go-rwx %.500s" /* so that no others read it */
#define OS_KEEP_FILE "sudo chmod go-w %.500s" /* so that no others change it */

/* --- the service --- */
#define OS_SERVICE_MANAGER "systemd"
#define OS_SERVICE_STARTS "By systemd where its unit is installed" /* of `up` */
#define OS_SERVICE "tunnelmesh.service"
#define OS_SERVICE_FURTHER "tunnelmesh@%s.service" /* that of a further mesh; its name */
#define OS_SERVICE_FURTHER_FILE "tunnelmesh@.service" /* what has to be installed for it */
#define OS_SEE_SERVICE_LOG "`journalctl -u %s -n 20` says why" /* its name */

/* --- what is the matter with this machine --- */
#define OS_GET_TUN "sudo modprobe tun" /* where there are no tunnel devices */
#define OS_SET_CLOCK "sudo timedatectl set-ntp true"
#define OS_SEE_NAME_SERVERS "sudo ss -lnptu 'sport = :53'"
/* What is done so that this machine's programs find names of the mesh. */
#define OS_NAMES_WAYS                                                                                        \
	"by systemd-resolved, by resolvconf, or by lines in the file resolv.conf, which are removed at the " \
	"end"
#define OS_NAMES_NOBODY "resolv.conf names no other machine" /* that would resolve names */
#define OS_SEE_ROUTES "ip route show table all"
#define OS_SEE_DISKS "df -h, and mount: is there room, and may it be written?"
/* The interface. */
#define OS_FIREWALL_LET_IN "sudo iptables -I INPUT -i %.15s -j ACCEPT (ip6tables likewise)"
#define OS_FIREWALL_4 "iptables"
#define OS_FIREWALL_6 "ip6tables"
/* One of the two and the interface, twice. Docker's way: its own rules come first, and that chain is kept for
 * others'. */
#define OS_FIREWALL_LET_THROUGH                                                                              \
	"with Docker by `%s -I DOCKER-USER -i %s -j ACCEPT` and `%s -I DOCKER-USER -o %s -j ACCEPT`"

/* --- where things are that were not put elsewhere: os/paths.h --- */
#define OS_SHOWN_CONFIG_DIR "/etc/tunnelmesh"
#define OS_SHOWN_CONFIG OS_SHOWN_CONFIG_DIR "/config.yaml"
#define OS_SHOWN_STATE_DIR "/var/lib/tunnelmesh"
#define OS_SHOWN_RUN_DIR "/run/tunnelmesh"
#define OS_SHOWN_SOCKET OS_SHOWN_RUN_DIR "/tunnelmesh.sock"

#endif
