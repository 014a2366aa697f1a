package interop;

import io.dapr.actors.ActorId;
import io.dapr.actors.runtime.AbstractActor;
import io.dapr.actors.runtime.ActorRuntimeContext;
import io.dapr.actors.runtime.Remindable;
import io.dapr.utils.TypeRef;
import java.time.Duration;
import java.util.List;
import reactor.core.publisher.Mono;

/** JavaCounter: numbers in the state that the SDK keeps, a timer, a reminder, and calls to other actors. */
public class CounterActor extends AbstractActor implements Counter, Remindable<String> {
  private static final Duration SOON = Duration.ofMillis(300);

  public CounterActor(ActorRuntimeContext<CounterActor> context, ActorId id) {
    super(context, id);
  }

  private <T> Mono<T> read(String name, Class<T> type, T otherwise) {
    return getActorStateManager().contains(name)
        .flatMap(exists -> exists ? getActorStateManager().get(name, type) : Mono.just(otherwise));
  }

  private Mono<Integer> add(String name, int by) {
    return read(name, Integer.class, 0)
        .flatMap(value -> getActorStateManager().set(name, value + by).thenReturn(value + by));
  }

  @Override
  public Mono<Integer> increment(Object by) {
    return add("value", (Integer) (by instanceof List<?> list ? list.get(0) : by));
  }

  @Override
  public Mono<Integer> get() {
    return read("value", Integer.class, 0);
  }

  @Override
  public Mono<Boolean> fail() {
    return Mono.error(new IllegalStateException("boom"));
  }

  @Override
  public Mono<Boolean> startTimer() {
    return registerActorTimer("tick", "onTick", 3, SOON, SOON).thenReturn(true);
  }

  @Override
  public Mono<Boolean> onTick(int by) {
    return add("ticked", by).thenReturn(true);
  }

  @Override
  public Mono<Integer> ticked() {
    return read("ticked", Integer.class, 0);
  }

  @Override
  public Mono<Boolean> stopTimer() {
    return unregisterTimer("tick").thenReturn(true);
  }

  @Override
  public Mono<Boolean> startReminder() {
    return registerReminder("wake", "payload", SOON, SOON).thenReturn(true);
  }

  @Override
  public TypeRef<String> getStateType() {
    return TypeRef.STRING;
  }

  @Override
  public Mono<Void> receiveReminder(String name, String state, Duration dueTime, Duration period) {
    return getActorStateManager().set("payload", state).then(add("reminded", 1)).then();
  }

  @Override
  public Mono<Integer> reminded() {
    return read("reminded", Integer.class, 0);
  }

  @Override
  public Mono<String> payload() {
    return read("payload", String.class, "");
  }

  @Override
  public Mono<Boolean> stopReminder() {
    return unregisterReminder("wake").thenReturn(true);
  }

  @Override
  public Mono<Object> relay(Object[] args) {
    return Main.call((String) args[0], (String) args[1], (String) args[2], new Object[] {args[3]});
  }
}
