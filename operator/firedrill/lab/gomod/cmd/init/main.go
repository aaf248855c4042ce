// Command init is process 1 of a lab cluster: unshare(1) starts it in network, mount and process
// namespaces of the cluster's own. It makes the mounts, waits for its network interface, runs the
// set-up commands and then keeps the cluster's processes running. When it dies, the kernel ends every
// process of the cluster, containers included, and with them all mounts and links: nothing is left to undo.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Config is what the lab writes for each cluster.
type Config struct {
	// Cgroups are files (cgroup.procs) that this process enters itself into.
	Cgroups []string `json:"cgroups"`
	// Keep are directories that must stay visible although a mount hides one of their parents.
	Keep   []string `json:"keep"`
	Mounts []Mount  `json:"mounts"`
	// Interface must exist before the set-up commands run; the lab moves it in from outside.
	Interface string `json:"interface"`
	// Write are settings of the kernel that belong to these namespaces, by their path below /proc/sys.
	Write     map[string]string `json:"write"`
	Setup     [][]string        `json:"setup"`
	Processes []Process         `json:"processes"`
}

// Mount is a tmpfs, or a bind mount of Source (a file or a directory).
type Mount struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Tmpfs  bool   `json:"tmpfs"`
}

// Process is kept running: it is started again, ever more slowly, when it ends.
type Process struct {
	Name string   `json:"name"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	Log  string   `json:"log"`
	// After is an address (host:port, or the path of a unix socket) to be accepting first.
	After string `json:"after"`
}

const slowestRestart = 10 * time.Second

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if len(os.Args) != 2 {
		log.Fatal("usage: init CONFIG.json")
	}
	config, err := load(os.Args[1])
	if err == nil {
		err = prepare(config)
	}
	if err != nil {
		log.Fatalf("init: %v", err)
	}
	keepRunning(config.Processes)
}

func load(path string) (Config, error) {
	var config Config
	data, err := os.ReadFile(path)
	if err != nil {
		return config, err
	}
	return config, json.Unmarshal(data, &config)
}

func prepare(config Config) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("must be process 1 of a process namespace, is %d", os.Getpid())
	}
	for _, path := range config.Cgroups {
		if err := os.WriteFile(path, []byte("0"), 0o644); err != nil {
			return fmt.Errorf("enter control group: %w", err)
		}
	}
	if err := mountAll(config.Keep, config.Mounts); err != nil {
		return err
	}
	if err := waitForInterface(config.Interface); err != nil {
		return err
	}
	for path, value := range config.Write {
		if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("kernel setting: %w", err)
		}
	}
	for _, argv := range config.Setup {
		output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("set-up %q: %w: %s", argv, err, output)
		}
	}
	return nil
}

func mountAll(keep []string, mounts []Mount) error {
	// Hidden directories are reached through descriptors opened before anything is hidden.
	kept := make(map[string]*os.File, len(keep))
	for _, path := range keep {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		kept[path] = file
	}
	for _, mount := range mounts {
		if err := mountOne(mount); err != nil {
			return fmt.Errorf("mount %s: %w", mount.Target, err)
		}
		if !mount.Tmpfs {
			continue
		}
		for path, file := range kept {
			if err := showAgain(path, file); err != nil {
				return fmt.Errorf("keep %s visible: %w", path, err)
			}
		}
	}
	// Pods may ask for mounts that travel between them and the node; unshare made all private.
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
}

func mountOne(mount Mount) error {
	if mount.Tmpfs {
		return syscall.Mount("tmpfs", mount.Target, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755")
	}
	source, err := os.Stat(mount.Source)
	if err != nil {
		return err
	}
	if source.IsDir() { // inside a tmpfs the target does not exist yet
		if err := os.MkdirAll(mount.Target, 0o755); err != nil {
			return err
		}
	}
	return syscall.Mount(mount.Source, mount.Target, "", syscall.MS_BIND|syscall.MS_REC, "")
}

func showAgain(path string, file *os.File) error {
	if visible(path, file) {
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	source := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	return syscall.Mount(source, path, "", syscall.MS_BIND|syscall.MS_REC, "")
}

func visible(path string, file *os.File) bool {
	here, err := os.Stat(path)
	if err != nil {
		return false
	}
	before, err := file.Stat()
	return err == nil && os.SameFile(here, before)
}

func waitForInterface(name string) error {
	if name == "" {
		return nil
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if _, err := net.InterfaceByName(name); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("interface %s was not moved in within 30 s", name)
}

// keepRunning starts every process and, as process 1, reaps whatever ends. It does not return.
func keepRunning(processes []Process) {
	var mu sync.Mutex
	ended := map[int]chan syscall.WaitStatus{}
	for _, process := range processes {
		go func() {
			wait := 500 * time.Millisecond
			for {
				waitForAddress(process.After)
				started := time.Now()
				// The lock is held over the start, so that the reaper finds the process it reaps.
				mu.Lock()
				pid, err := start(process)
				done := make(chan syscall.WaitStatus, 1)
				if err == nil {
					ended[pid] = done
				}
				mu.Unlock()
				if err != nil {
					log.Printf("%s: %v", process.Name, err)
				} else {
					log.Printf("%s: started", process.Name)
					status := <-done
					log.Printf("%s: ended (exit %d, signal %d), see %s",
						process.Name, status.ExitStatus(), int(status.Signal()), process.Log)
				}
				if time.Since(started) > time.Minute {
					wait = 500 * time.Millisecond
				}
				time.Sleep(wait)
				wait = min(2*wait, slowestRestart)
			}
		}()
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil { // no children yet, or interrupted
			time.Sleep(20 * time.Millisecond)
			continue
		}
		mu.Lock()
		if done, ok := ended[pid]; ok {
			done <- status
			delete(ended, pid)
		}
		mu.Unlock()
	}
}

func start(process Process) (int, error) {
	output, err := os.OpenFile(process.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer output.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	path, err := exec.LookPath(process.Argv[0])
	if err != nil {
		return 0, err
	}
	return syscall.ForkExec(path, process.Argv, &syscall.ProcAttr{
		Env:   append(os.Environ(), process.Env...),
		Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

func waitForAddress(address string) {
	if address == "" {
		return
	}
	network := "tcp"
	if address[0] == '/' {
		network = "unix"
	}
	for {
		connection, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			_ = connection.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
