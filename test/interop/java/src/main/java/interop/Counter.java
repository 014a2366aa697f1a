package interop;

import io.dapr.actors.ActorMethod;
import io.dapr.actors.ActorType;
import reactor.core.publisher.Mono;

/** What JavaCounter can do. Several arguments are a list. One is a value, or a list of one: what clients in JavaScript send. */
@ActorType(name = "JavaCounter")
public interface Counter {
  @ActorMethod(returns = Integer.class)
  Mono<Integer> increment(Object by);

  @ActorMethod(returns = Integer.class)
  Mono<Integer> get();

  @ActorMethod(returns = Boolean.class)
  Mono<Boolean> fail();

  @ActorMethod(returns = Boolean.class)
  Mono<Boolean> startTimer();

  @ActorMethod(returns = Boolean.class)
  Mono<Boolean> onTick(int by);

  @ActorMethod(returns = Integer.class)
  Mono<Integer> ticked();

  @ActorMethod(returns = Boolean.class)
  Mono<Boolean> stopTimer();

  @ActorMethod(returns = Boolean.class)
  Mono<Boolean> startReminder();

  @ActorMethod(returns = Integer.class)
  Mono<Integer> reminded();

  @ActorMethod(returns = String.class)
  Mono<String> payload();

  @ActorMethod(returns = Boolean.class)
  Mono<Boolean> stopReminder();

  @ActorMethod(returns = Object.class)
  Mono<Object> relay(Object[] args);
}
