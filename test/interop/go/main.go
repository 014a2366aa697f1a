// A counter on the official SDK of Go, hosted over HTTP (GoCounter) or, with the argument "stream", over the event stream
// (GoStreamCounter), and a client that calls actors of any type through it.
//
// Asked over standard input, a JSON line a call: {"n":1,"type":"PyCounter","id":"a","method":"increment","args":[5]}.
// Answers on standard output: @@{"n":1,"result":5} or @@{"n":1,"error":"…"}; @@{"ready":true} when it serves. Ends with its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/dapr/go-sdk/actor"
	"github.com/dapr/go-sdk/actor/runtime"
	"github.com/dapr/go-sdk/client"
	daprhttp "github.com/dapr/go-sdk/service/http"
)

type request struct {
	N      int             `json:"n"`
	Type   string          `json:"type"`
	ID     string          `json:"id"`
	Method string          `json:"method"`
	Args   json.RawMessage `json:"args"`
}

type answer struct {
	N      int             `json:"n"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

var output sync.Mutex

func tell(message any) {
	output.Lock()
	defer output.Unlock()
	text, _ := json.Marshal(message)
	fmt.Printf("@@%s\n", text)
}

func call(ctx context.Context, dapr client.Client, r request) (json.RawMessage, error) {
	reply, err := dapr.InvokeActor(ctx, &client.InvokeActorRequest{ActorType: r.Type, ActorID: r.ID, Method: r.Method, Data: r.Args})
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

func answerTo(dapr client.Client, r request) {
	if string(r.Args) == "[]" {
		r.Args = nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	reply, err := call(ctx, dapr, r)
	if err != nil {
		tell(answer{N: r.N, Error: err.Error()})
		return
	}
	if !json.Valid(reply) { // a plain text, as JavaScript answers
		reply, _ = json.Marshal(string(reply))
	}
	tell(answer{N: r.N, Result: reply})
}

func main() {
	dapr, err := client.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 1 && os.Args[1] == "stream" {
		hostOverStream(dapr)
	} else {
		hostOverHTTP(dapr)
	}
	tell(map[string]bool{"ready": true})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			log.Fatal(err)
		}
		go answerTo(dapr, r)
	}
}

func hostOverHTTP(dapr client.Client) {
	address := "127.0.0.1:" + os.Getenv("APP_PORT")
	service := daprhttp.NewService(address)
	service.RegisterActorImplFactoryContext(func() actor.ServerContext { return &Counter{kind: "GoCounter", dapr: dapr} })
	go func() { log.Fatal(service.Start()) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if socket, err := net.Dial("tcp", address); err == nil {
			socket.Close()
			return
		} else if time.Now().After(deadline) {
			log.Fatal(err)
		}
	}
}

func hostOverStream(dapr client.Client) {
	actors := runtime.GetActorRuntimeInstanceContext()
	actors.RegisterActorFactory(func() actor.ServerContext { return &Counter{kind: "GoStreamCounter", dapr: dapr} })
	options := client.ActorEventSubscriptionOptions{Reentrancy: &client.ActorReentrancyConfig{Enabled: true}}
	if _, err := dapr.SubscribeActorEvents(context.Background(), actors, options); err != nil {
		log.Fatal(err)
	}
}
