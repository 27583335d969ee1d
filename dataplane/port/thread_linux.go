package port

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// DedicateThread locks the calling goroutine to its thread and sets the thread
// apart for forwarding: on one CPU (any, when cpu is negative), ahead of the
// instances' programs. A switch does not wait for its hosts to finish computing;
// a forwarder that shares its CPUs with them does, unless told otherwise. What
// helps is the CPU together with steering the veths' softirqs to the others (see
// AFPacket): one TCP stream on two CPUs gained 12 to 65 % by that, and nothing
// certain by the priority alone.
//
// Call it from the goroutine that will call Recv and Send. An error says which
// of the two was refused (the priority needs CAP_SYS_NICE, which a user
// namespace does not give) and leaves the rest in force: forwarding works
// without, and slower. The goroutine must end locked, so that the thread dies
// and is not reused.
func DedicateThread(cpu int) error {
	runtime.LockOSThread()
	if cpu >= 0 {
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("bind the forwarding thread to CPU %d: %w", cpu, err)
		}
	}
	const niceness = -10 // as for audio servers: ahead of programs, behind the kernel's own threads
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness); err != nil {
		return fmt.Errorf("raise the priority of the forwarding thread: %w (needs CAP_SYS_NICE)", err)
	}
	return nil
}
