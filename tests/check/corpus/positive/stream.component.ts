// Subscriptions to a client's events that outlive their component.
import { Component, OnDestroy, OnInit } from "@angular/core";
import { Socket } from "ngx-socket-io";
import { Subscription, fromEvent, map } from "rxjs";

@Component({ selector: "feed" })
export class FeedComponent implements OnInit, OnDestroy {
  private posts: Subscription;
  private likes: Subscription;

  constructor(private socket: Socket) {}

  ngOnInit() {
    this.socket.fromEvent("notice").subscribe((n) => this.show(n)); // expect: listener-without-cleanup
    this.posts = this.socket.fromEvent("post").subscribe((p) => this.add(p));
    this.likes = fromEvent(this.socket, "like") // expect: listener-without-cleanup
      .pipe(map((like) => like.post))
      .subscribe((post) => this.mark(post));
  }

  ngOnDestroy() {
    this.posts.unsubscribe();
  }
}
