// The counter. Several arguments are a list. One is a value, or a list of one: what clients in JavaScript send.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"

	"github.com/dapr/go-sdk/actor"
	"github.com/dapr/go-sdk/client"
)

type Counter struct {
	actor.ServerImplBaseCtx
	kind string
	dapr client.Client
}

func (c *Counter) Type() string { return c.kind }

func (c *Counter) number(ctx context.Context, name string) (int, error) {
	exists, err := c.GetStateManager().Contains(ctx, name)
	if err != nil || !exists {
		return 0, err
	}
	var value int
	err = c.GetStateManager().Get(ctx, name, &value)
	return value, err
}

func (c *Counter) add(ctx context.Context, name string, by int) (int, error) {
	value, err := c.number(ctx, name)
	if err != nil {
		return 0, err
	}
	return value + by, c.GetStateManager().Set(ctx, name, value+by)
}

func (c *Counter) Increment(ctx context.Context, by any) (int, error) {
	if list, isList := by.([]any); isList {
		by = list[0]
	}
	return c.add(ctx, "value", int(by.(float64)))
}

func (c *Counter) Get(ctx context.Context) (int, error) { return c.number(ctx, "value") }

func (c *Counter) Fail(ctx context.Context) (int, error) { return 0, errors.New("boom") }

func (c *Counter) StartTimer(ctx context.Context) (bool, error) {
	return true, c.dapr.RegisterActorTimer(ctx, &client.RegisterActorTimerRequest{
		ActorType: c.kind, ActorID: c.ID(), Name: "tick", DueTime: "300ms", Period: "300ms", Data: []byte("3"), CallBack: "OnTick",
	})
}

// OnTick saves by itself: the SDK does that only after methods that a caller called.
func (c *Counter) OnTick(ctx context.Context, by int) error {
	if _, err := c.add(ctx, "ticked", by); err != nil {
		return err
	}
	return c.SaveState(ctx)
}

func (c *Counter) Ticked(ctx context.Context) (int, error) { return c.number(ctx, "ticked") }

func (c *Counter) StopTimer(ctx context.Context) (bool, error) {
	return true, c.dapr.UnregisterActorTimer(ctx, &client.UnregisterActorTimerRequest{ActorType: c.kind, ActorID: c.ID(), Name: "tick"})
}

func (c *Counter) StartReminder(ctx context.Context) (bool, error) {
	return true, c.dapr.RegisterActorReminder(ctx, &client.RegisterActorReminderRequest{
		ActorType: c.kind, ActorID: c.ID(), Name: "wake", DueTime: "300ms", Period: "300ms", Data: []byte("payload"),
	})
}

func (c *Counter) ReminderCall(name string, data []byte, dueTime string, period string) {
	ctx := context.Background()
	err := c.GetStateManager().Set(ctx, "payload", string(data))
	if err == nil {
		_, err = c.add(ctx, "reminded", 1)
	}
	if err == nil {
		err = c.SaveState(ctx)
	}
	if err != nil {
		log.Printf("reminder %s: %v", name, err)
	}
}

func (c *Counter) Reminded(ctx context.Context) (int, error) { return c.number(ctx, "reminded") }

func (c *Counter) Payload(ctx context.Context) (string, error) {
	var payload string
	err := c.GetStateManager().Get(ctx, "payload", &payload)
	return payload, err
}

func (c *Counter) StopReminder(ctx context.Context) (bool, error) {
	return true, c.dapr.UnregisterActorReminder(ctx, &client.UnregisterActorReminderRequest{ActorType: c.kind, ActorID: c.ID(), Name: "wake"})
}

// Relay calls any method of any actor: type, id, method, argument.
func (c *Counter) Relay(ctx context.Context, args []any) (json.RawMessage, error) {
	list, err := json.Marshal(args[3:])
	if err != nil {
		return nil, err
	}
	return call(ctx, c.dapr, request{Type: args[0].(string), ID: args[1].(string), Method: args[2].(string), Args: list})
}

// RoundTrip goes from this actor to another one and back: only with reentrancy.
func (c *Counter) RoundTrip(ctx context.Context, other []string) (json.RawMessage, error) {
	list, err := json.Marshal([]any{c.kind, c.ID(), "Increment", 1})
	if err != nil {
		return nil, err
	}
	return call(ctx, c.dapr, request{Type: c.kind, ID: other[0], Method: "Relay", Args: list})
}
